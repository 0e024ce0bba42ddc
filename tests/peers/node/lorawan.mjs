// LoRaWAN frames by lora-packet, for the tests: one JSON object a line in, one out. Bytes are hexadecimal.
import { createInterface } from 'node:readline'
import lora from 'lora-packet'

const bytes = (hex) => Buffer.from(hex ?? '', 'hex')
const hex = (buffer) => Buffer.from(buffer ?? []).toString('hex')
const number = (value, size) => Buffer.from(value.toString(16).padStart(2 * size, '0'), 'hex')
const high = (fcnt) => Buffer.from([Math.floor(fcnt / 0x10000) % 256, Math.floor(fcnt / 0x1000000)])

const calls = {
  // fcnt has 32 bits; fport null: no port, no payload
  data({ uplink, confirmed, address, fcnt, fport, payload, fopts, adr, adrAckReq, ack, pending, nwk, app }) {
    const [nwkKey, appKey] = [bytes(nwk), bytes(app)]
    const fields = {
      MType: (confirmed ? 4 : 2) + (uplink ? 0 : 1),
      DevAddr: number(address, 4),
      FCnt: number(fcnt % 0x10000, 2),
      FCtrl: { ADR: adr, ADRACKReq: adrAckReq, ACK: ack, FPending: pending },
      FOpts: bytes(fopts),
      payload: bytes(payload),
    }
    if (fport !== null) fields.FPort = fport
    const packet = lora.fromFields(fields, appKey, nwkKey, undefined, high(fcnt))
    if (fport === null) {
      lora.recalculateMIC(packet, nwkKey, undefined, high(fcnt)) // fromFields does it only for a frame with a port
      return hex(packet.MHDR) + hex(packet.MACPayload) + hex(packet.MIC)
    }
    return hex(packet.getPHYPayload())
  },

  read({ frame, fcnt, nwk, app }) {
    const packet = lora.fromWire(bytes(frame))
    const [nwkKey, appKey] = [bytes(nwk), bytes(app)]
    const port = packet.getFPort()
    return {
      type: packet.getMType(),
      mic: lora.verifyMIC(packet, nwkKey, undefined, high(fcnt)),
      address: packet.DevAddr.readUInt32BE(0),
      fcnt: packet.getFCnt(),
      fport: port,
      fopts: hex(packet.FOpts),
      payload: port === null ? '' : hex(lora.decrypt(packet, appKey, nwkKey, high(fcnt))),
      adr: packet.getFCtrlADR(),
      ack: packet.getFCtrlACK(),
      pending: packet.getFCtrlFPending(),
    }
  },

  joinRequest({ joinEui, devEui, devNonce, appKey }) {
    const fields = { AppEUI: bytes(joinEui), DevEUI: bytes(devEui), DevNonce: number(devNonce, 2) }
    return hex(lora.fromFields(fields, undefined, undefined, bytes(appKey)).getPHYPayload())
  },

  joinAccept({ joinNonce, netId, address, settings, delay, cflist, appKey }) {
    const fields = {
      MType: 1,
      AppNonce: number(joinNonce, 3),
      NetID: number(netId, 3),
      DevAddr: number(address, 4),
      DLSettings: settings,
      RxDelay: delay,
      CFList: bytes(cflist),
    }
    const packet = lora.fromFields(fields, undefined, undefined, bytes(appKey))
    return hex(packet.MHDR) + hex(packet.MACPayloadWithMIC)
  },

  // what a device does with a join accept
  openJoinAccept({ frame, appKey, devNonce }) {
    const key = bytes(appKey)
    const packet = lora.fromWire(lora.decryptJoinAccept(lora.fromWire(bytes(frame)), key))
    const keys = lora.generateSessionKeys10(key, packet.NetID, packet.AppNonce, number(devNonce, 2))
    return {
      mic: lora.verifyMIC(packet, undefined, key),
      joinNonce: packet.AppNonce.readUIntBE(0, 3),
      netId: packet.NetID.readUIntBE(0, 3),
      address: packet.DevAddr.readUInt32BE(0),
      rx1Offset: packet.getDLSettingsRxOneDRoffset(),
      rx2Rate: packet.getDLSettingsRxTwoDataRate(),
      delay: packet.getRxDelayDel(),
      cflist: hex(packet.CFList),
      nwk: hex(keys.NwkSKey),
      app: hex(keys.AppSKey),
    }
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const { call, ...rest } = JSON.parse(line)
  let answer
  try {
    answer = { result: calls[call](rest) }
  } catch (error) {
    answer = { refused: String(error.message) }
  }
  process.stdout.write(JSON.stringify(answer) + '\n')
}

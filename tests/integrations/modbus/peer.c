/* A Modbus server made of libmodbus, whose encoders know nothing of ours: over TCP, or RTU on the serial line named.
 *
 * Prints its port (TCP) or "ready" (RTU), then serves one client at a time until it is killed. Unit 1 has the values
 * below; unit 7 never answers; unit 8 is away behind a gateway; unit 9 answers with a frame cut short. Any other has unit
 * 1's values. On a line it is unit 1 only. */
#include <arpa/inet.h>
#include <modbus.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static modbus_t *open_line(const char *name)
{
    modbus_t *ctx = modbus_new_rtu(name, 19200, 'E', 8, 1);
    modbus_set_slave(ctx, 1);
    return modbus_connect(ctx) < 0 ? NULL : ctx;
}

static int serve_line(const char *name, modbus_mapping_t *map)
{
    uint8_t query[MODBUS_RTU_MAX_ADU_LENGTH];
    modbus_t *ctx = open_line(name);
    if (ctx == NULL)
        return 1;
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        int length = modbus_receive(ctx, query);
        if (length > 0)
            modbus_reply(ctx, query, length, map);
        else if (length == 0) {
            /* It would take whatever follows another unit's question for that unit's answer, which a dead one never
             * gives: start anew, as the silence between frames lets a real unit do. */
            modbus_close(ctx);
            modbus_free(ctx);
            if ((ctx = open_line(name)) == NULL)
                return 1;
        }
    }
}

int main(int argc, char **argv)
{
    modbus_t *ctx = modbus_new_tcp("127.0.0.1", 0);
    modbus_mapping_t *map = modbus_mapping_new(16, 16, 16, 48);
    if (ctx == NULL || map == NULL)
        return 1;

    uint16_t *input = map->tab_input_registers;
    modbus_set_float_abcd(230.25f, input + 0);
    modbus_set_float_cdab(-12.5f, input + 2);
    modbus_set_float_badc(49.98f, input + 4);
    modbus_set_float_dcba(1500.75f, input + 6);
    MODBUS_SET_INT32_TO_INT16(input, 8, -123456);
    MODBUS_SET_INT64_TO_INT16(input, 10, 9876543210LL);
    input[14] = (uint16_t) -55;
    input[15] = 0x8000;
    const uint8_t *text = (const uint8_t *) "PX3-2.01";
    for (int i = 0; i < 4; i++)
        input[20 + i] = MODBUS_GET_INT16_FROM_INT8(text, 2 * i);
    map->tab_registers[3] = 655;
    map->tab_registers[4] = 0x0010;
    map->tab_bits[0] = 1;
    map->tab_bits[9] = 1;
    map->tab_input_bits[5] = 1;

    if (argc > 1)
        return serve_line(argv[1], map);

    int server = modbus_tcp_listen(ctx, 4);
    struct sockaddr_in name;
    socklen_t size = sizeof name;
    if (server < 0 || getsockname(server, (struct sockaddr *) &name, &size) < 0)
        return 1;
    printf("%d\n", ntohs(name.sin_port));
    fflush(stdout);

    for (;;) {
        uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
        if (modbus_tcp_accept(ctx, &server) < 0)
            return 1;
        for (;;) {
            int length = modbus_receive(ctx, query);
            if (length < 0)
                break;
            if (length == 0 || query[6] == 7)
                continue;
            if (query[6] == 8)
                modbus_reply_exception(ctx, query, MODBUS_EXCEPTION_GATEWAY_TARGET);
            else if (query[6] == 9) {
                uint8_t cut[] = {query[0], query[1], 0, 0, 0, 5, 9, query[7], 200, 1, 2};
                if (write(modbus_get_socket(ctx), cut, sizeof cut) < 0)
                    break;
            } else
                modbus_reply(ctx, query, length, map);
        }
        close(modbus_get_socket(ctx));
    }
}

/* A Modbus TCP server made of libmodbus, with holding registers that the test chooses and no others: lines of
 * "address word word …" on stdin, ended by an empty one. Prints its port and serves until it is killed. Registers between
 * two lines are not there: a read that touches them is refused, as devices do. */
#include <arpa/inet.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uint16_t words[65536];
static uint8_t there[65536];

int main(void)
{
    static char line[1 << 20];
    while (fgets(line, sizeof line, stdin) && line[0] != '\n') {
        char *next = line;
        long at = strtol(next, &next, 0);
        for (char *end; at < 65536; at++, next = end) {
            long word = strtol(next, &end, 0);
            if (end == next)
                break;
            words[at] = (uint16_t) word;
            there[at] = 1;
        }
    }
    modbus_t *ctx = modbus_new_tcp("127.0.0.1", 0);
    modbus_mapping_t *map = modbus_mapping_new(0, 0, 65536, 0);
    if (ctx == NULL || map == NULL)
        return 1;
    memcpy(map->tab_registers, words, sizeof words);
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
        for (int length; (length = modbus_receive(ctx, query)) >= 0;) {
            int at = query[8] << 8 | query[9], count = query[10] << 8 | query[11], missing = 0;
            for (int i = 0; length > 11 && i < count; i++)
                missing |= at + i > 65535 || !there[at + i];
            if (length == 0)
                continue;
            if (missing)
                modbus_reply_exception(ctx, query, MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS);
            else
                modbus_reply(ctx, query, length, map);
        }
        close(modbus_get_socket(ctx));
    }
}

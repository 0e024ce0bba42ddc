/* An OPC UA server made of open62541, which knows nothing of our client.
 *
 * peer PORT [CERTIFICATE KEY [TRUSTED]]   DER files; without them only security None is offered. TRUSTED is the one
 * client certificate that is let in; without it any is. Users: none at security None, else ilot / secret.
 *
 * Objects/1:Boiler holds the variables of `points` below. Commands on standard input, each answered by one line:
 *
 *   set NAME VALUE [STATUS [SECONDS]]   write a value, with a status code in hexadecimal and a source time that many
 *                                       seconds from now
 *   lose NAME STATUS                    have a status code and no value
 *   get NAME                            the value it has
 *   loads                               open sessions and subscriptions, monitored items made since the start
 *
 * It prints "ready", and ends with its standard input. */
#include <open62541/client_config_default.h>
#include <open62541/plugin/accesscontrol_default.h>
#include <open62541/plugin/pki_default.h>
#include <open62541/server.h>
#include <open62541/server_config_default.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct point {
    const char *name;
    int type;
    double value;
    const char *unit; /* display name */
    int unit_id;
    int writable;
};

static const struct point points[] = {
    {"FlowTemperature", UA_TYPES_DOUBLE, 63.5, "°C", 4408652, 0},
    {"ReturnTemperature", UA_TYPES_DOUBLE, 122.0, "°F", 4604232, 0},
    {"Pressure", UA_TYPES_FLOAT, 1.5, "bar", 4342098, 0},
    {"Power", UA_TYPES_FLOAT, 12.5, "kW", 4937556, 0},
    {"Energy", UA_TYPES_UINT64, 1234567, "W·h", 5720146, 0},
    {"Odd", UA_TYPES_DOUBLE, 3.0, "furlong", -1, 0},
    {"Running", UA_TYPES_BOOLEAN, 1, NULL, 0, 0},
    {"Mode", UA_TYPES_INT32, 2, NULL, 0, 0},
    {"Setpoint", UA_TYPES_DOUBLE, 60.0, "°C", 4408652, 1},
    {"Stubborn", UA_TYPES_DOUBLE, 60.0, "°C", 4408652, 2}, /* takes every write and keeps its value */
    {"Locked", UA_TYPES_DOUBLE, 5.0, NULL, 0, 0},
};
#define POINTS (sizeof points / sizeof *points)

static UA_Server *server;
static int monitored;

static UA_NodeId node(const char *name)
{
    return UA_NODEID_STRING(1, (char *) name);
}

static void number(const struct point *point, double value, UA_Variant *out)
{
    union { double d; float f; uint64_t u; int32_t i; bool b; } raw;
    switch (point->type) {
    case UA_TYPES_DOUBLE: raw.d = value; break;
    case UA_TYPES_FLOAT: raw.f = (float) value; break;
    case UA_TYPES_UINT64: raw.u = (uint64_t) value; break;
    case UA_TYPES_INT32: raw.i = (int32_t) value; break;
    default: raw.b = value != 0;
    }
    UA_Variant_setScalarCopy(out, &raw, &UA_TYPES[point->type]);
}

static void property(UA_NodeId of, const char *name, void *value, const UA_DataType *type)
{
    UA_VariableAttributes attributes = UA_VariableAttributes_default;
    UA_Variant_setScalarCopy(&attributes.value, value, type);
    attributes.dataType = type->typeId;
    attributes.displayName = UA_LOCALIZEDTEXT("", (char *) name);
    UA_Server_addVariableNode(server, UA_NODEID_NULL, of, UA_NODEID_NUMERIC(0, UA_NS0ID_HASPROPERTY),
                              UA_QUALIFIEDNAME(0, (char *) name), UA_NODEID_NUMERIC(0, UA_NS0ID_PROPERTYTYPE),
                              attributes, NULL, NULL);
    UA_Variant_clear(&attributes.value);
}

static UA_StatusCode keeps(UA_Server *s, const UA_NodeId *session, void *context, const UA_NodeId *id,
                           void *node_context, UA_Boolean dated, const UA_NumericRange *range, UA_DataValue *out)
{
    (void) s, (void) session, (void) context, (void) id, (void) node_context, (void) range, (void) dated;
    double value = 60.0;
    UA_Variant_setScalarCopy(&out->value, &value, &UA_TYPES[UA_TYPES_DOUBLE]);
    out->hasValue = true;
    return UA_STATUSCODE_GOOD;
}

static UA_StatusCode takes(UA_Server *s, const UA_NodeId *session, void *context, const UA_NodeId *id,
                           void *node_context, const UA_NumericRange *range, const UA_DataValue *value)
{
    (void) s, (void) session, (void) context, (void) id, (void) node_context, (void) range, (void) value;
    return UA_STATUSCODE_GOOD;
}

static void fill(void)
{
    UA_ObjectAttributes attributes = UA_ObjectAttributes_default;
    attributes.displayName = UA_LOCALIZEDTEXT("fr", "Chaudière");
    UA_Server_addObjectNode(server, node("Boiler"), UA_NODEID_NUMERIC(0, UA_NS0ID_OBJECTSFOLDER),
                            UA_NODEID_NUMERIC(0, UA_NS0ID_ORGANIZES), UA_QUALIFIEDNAME(1, "Boiler"),
                            UA_NODEID_NUMERIC(0, UA_NS0ID_BASEOBJECTTYPE), attributes, NULL, NULL);
    for (size_t i = 0; i < POINTS; i++) {
        const struct point *point = &points[i];
        UA_VariableAttributes about = UA_VariableAttributes_default;
        number(point, point->value, &about.value);
        about.dataType = UA_TYPES[point->type].typeId;
        about.displayName = UA_LOCALIZEDTEXT("en", (char *) point->name);
        about.accessLevel = UA_ACCESSLEVELMASK_READ | (point->writable ? UA_ACCESSLEVELMASK_WRITE : 0);
        UA_NodeId type = UA_NODEID_NUMERIC(0, point->unit ? UA_NS0ID_ANALOGITEMTYPE : UA_NS0ID_BASEDATAVARIABLETYPE);
        UA_Server_addVariableNode(server, node(point->name), node("Boiler"),
                                  UA_NODEID_NUMERIC(0, UA_NS0ID_HASCOMPONENT), UA_QUALIFIEDNAME(1, (char *) point->name),
                                  type, about, NULL, NULL);
        UA_Variant_clear(&about.value);
        if (point->unit) {
            UA_EUInformation unit;
            UA_EUInformation_init(&unit);
            unit.namespaceUri = UA_STRING("http://www.opcfoundation.org/UA/units/un/cefact");
            unit.unitId = point->unit_id;
            unit.displayName = UA_LOCALIZEDTEXT("", (char *) point->unit);
            property(node(point->name), "EngineeringUnits", &unit, &UA_TYPES[UA_TYPES_EUINFORMATION]);
        }
        if (point->writable == 2) {
            UA_DataSource source = {keeps, takes};
            UA_Server_setVariableNode_dataSource(server, node(point->name), source);
        }
    }
    UA_VariableAttributes array = UA_VariableAttributes_default;
    double levels[] = {10.5, 20.5, 30.5};
    UA_Variant_setArrayCopy(&array.value, levels, 3, &UA_TYPES[UA_TYPES_DOUBLE]);
    array.dataType = UA_TYPES[UA_TYPES_DOUBLE].typeId;
    array.valueRank = UA_VALUERANK_ONE_DIMENSION;
    UA_UInt32 any = 0;
    array.arrayDimensions = &any;
    array.arrayDimensionsSize = 1;
    array.displayName = UA_LOCALIZEDTEXT("", "Levels");
    UA_Server_addVariableNode(server, node("Levels"), node("Boiler"), UA_NODEID_NUMERIC(0, UA_NS0ID_HASCOMPONENT),
                              UA_QUALIFIEDNAME(1, "Levels"), UA_NODEID_NUMERIC(0, UA_NS0ID_BASEDATAVARIABLETYPE), array,
                              NULL, NULL);
    UA_Variant_clear(&array.value);
}

static void watched(UA_Server *s, const UA_NodeId *session, void *context, const UA_NodeId *id, void *node_context,
                    UA_UInt32 attribute, UA_Boolean removed)
{
    (void) s, (void) session, (void) context, (void) id, (void) node_context, (void) attribute;
    if (!removed)
        monitored++;
}

static const char *obey(char *line)
{
    static char said[200];
    char name[40];
    double value = 0, seconds = 0;
    unsigned status = 0;
    int given = sscanf(line, "%*s %39s %lf %x %lf", name, &value, &status, &seconds);
    if (!strncmp(line, "loads", 5)) {
        UA_ServerStatistics now = UA_Server_getStatistics(server);
        snprintf(said, sizeof said, "%zu %d", now.ss.currentSessionCount, monitored);
        return said;
    }
    const struct point *point = NULL;
    for (size_t i = 0; i < POINTS; i++)
        if (given >= 1 && !strcmp(points[i].name, name))
            point = &points[i];
    if (point == NULL)
        return "no such point";
    if (!strncmp(line, "get", 3)) {
        UA_Variant held;
        if (UA_Server_readValue(server, node(name), &held) != UA_STATUSCODE_GOOD)
            return "?";
        double got = point->type == UA_TYPES_DOUBLE ? *(double *) held.data : 0;
        UA_Variant_clear(&held);
        snprintf(said, sizeof said, "%g", got);
        return said;
    }
    UA_DataValue data;
    UA_DataValue_init(&data);
    if (!strncmp(line, "lose", 4))
        status = (unsigned) strtoul(strrchr(line, ' '), NULL, 16);
    else {
        number(point, value, &data.value);
        data.hasValue = true;
    }
    data.status = status;
    data.hasStatus = status != 0;
    data.sourceTimestamp = UA_DateTime_now() + (UA_DateTime) (seconds * UA_DATETIME_SEC);
    data.hasSourceTimestamp = true;
    UA_StatusCode done = UA_Server_writeDataValue(server, node(name), data);
    UA_DataValue_clear(&data);
    return UA_StatusCode_name(done);
}

static UA_ByteString load(const char *path)
{
    UA_ByteString bytes = UA_BYTESTRING_NULL;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        exit(2);
    UA_ByteString_allocBuffer(&bytes, 1 << 14);
    bytes.length = fread(bytes.data, 1, 1 << 14, file);
    fclose(file);
    return bytes;
}

int main(int count, char **words)
{
    if (count < 2)
        return 2;
    UA_ServerConfig config;
    memset(&config, 0, sizeof config);
    UA_Logger quiet = {NULL, NULL, NULL};
    config.logging = getenv("PEER_LOG") ? NULL : &quiet;
    int port = atoi(words[1]);
    if (count < 4)
        UA_ServerConfig_setMinimal(&config, (UA_UInt16) port, NULL);
    else {
        UA_ByteString certificate = load(words[2]), key = load(words[3]);
        UA_ByteString trusted = count > 4 ? load(words[4]) : UA_BYTESTRING_NULL;
        if (UA_ServerConfig_setDefaultWithSecurityPolicies(&config, (UA_UInt16) port, &certificate, &key, &trusted,
                                                           count > 4, NULL, 0, NULL, 0) != UA_STATUSCODE_GOOD)
            return 3;
        if (count < 5) {
            config.secureChannelPKI.clear(&config.secureChannelPKI);
            config.sessionPKI.clear(&config.sessionPKI);
            UA_CertificateVerification_AcceptAll(&config.secureChannelPKI);
            UA_CertificateVerification_AcceptAll(&config.sessionPKI);
        }
        UA_String_clear(&config.applicationDescription.applicationUri);
        config.applicationDescription.applicationUri = UA_STRING_ALLOC("urn:test:boiler");
        for (size_t i = 0; i < config.endpointsSize; i++) {
            UA_String_clear(&config.endpoints[i].server.applicationUri);
            config.endpoints[i].server.applicationUri = UA_STRING_ALLOC("urn:test:boiler");
        }
        UA_UsernamePasswordLogin login = {UA_STRING_STATIC("ilot"), UA_STRING_STATIC("secret")};
        config.accessControl.clear(&config.accessControl);
        UA_AccessControl_default(&config, getenv("PEER_ANONYMOUS") != NULL, NULL, 1, &login);
        if (getenv("PEER_CLEAR")) {
            UA_UserTokenPolicy clear = {UA_STRING_STATIC("open62541-username-policy"), UA_USERTOKENTYPE_USERNAME,
                                        UA_STRING_NULL, UA_STRING_NULL,
                                        UA_STRING_STATIC("http://opcfoundation.org/UA/SecurityPolicy#None")};
            config.allowNonePolicyPassword = true;
            for (size_t i = 0; i < config.endpointsSize; i++) {
                UA_EndpointDescription *endpoint = &config.endpoints[i];
                if (UA_Array_copy(&clear, 1, (void **) &endpoint->userIdentityTokens,
                                  &UA_TYPES[UA_TYPES_USERTOKENPOLICY]) != UA_STATUSCODE_GOOD)
                    return 5;
                endpoint->userIdentityTokensSize = 1;
            }
        }
    }
    UA_String url;
    char text[64];
    snprintf(text, sizeof text, "opc.tcp://127.0.0.1:%d", port);
    UA_Array_delete(config.serverUrls, config.serverUrlsSize, &UA_TYPES[UA_TYPES_STRING]);
    url = UA_STRING(text);
    if (UA_Array_copy(&url, 1, (void **) &config.serverUrls, &UA_TYPES[UA_TYPES_STRING]) != UA_STATUSCODE_GOOD)
        return 4;
    config.serverUrlsSize = 1;
    config.publishingIntervalLimits.min = 10;
    config.samplingIntervalLimits.min = 10;
    if (getenv("PEER_SUBSCRIPTIONS"))
        config.maxSubscriptions = (UA_UInt32) atoi(getenv("PEER_SUBSCRIPTIONS"));
    if (getenv("PEER_ITEMS"))
        config.maxMonitoredItems = (UA_UInt32) atoi(getenv("PEER_ITEMS"));
    config.monitoredItemRegisterCallback = watched;

    server = UA_Server_newWithConfig(&config);
    if (server == NULL || (fill(), UA_Server_run_startup(server)) != UA_STATUSCODE_GOOD)
        return 4;
    puts("ready");
    fflush(stdout);
    for (;;) {
        UA_Server_run_iterate(server, false);
        struct pollfd input = {0, POLLIN, 0};
        if (poll(&input, 1, 2) > 0) {
            char line[200];
            size_t length = 0;
            while (length < sizeof line - 1 && read(0, line + length, 1) == 1 && line[length] != '\n')
                length++;
            if (length == 0)
                return 0;
            line[length] = 0;
            puts(obey(line));
            fflush(stdout);
        }
    }
}

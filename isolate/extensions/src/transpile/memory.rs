//! Changes of the extensions' scripts by which memory is counted.

use super::Patch;

/// Ports of messages.
const PORTS: &str = "ext:deno_web/13_message_port.js";
const V8: &str = "ext:deno_node/v8.ts";
const VM: &str = "ext:deno_node/vm.js";

const COMPRESSION: &str = "ext:deno_web/14_compression.js";
const SCRYPT: &str = "ext:deno_node/internal/crypto/scrypt.ts";
const PBKDF2: &str = "ext:deno_node/internal/crypto/pbkdf2.ts";
const KEYGEN: &str = "ext:deno_node/internal/crypto/keygen.ts";
const RANDOM: &str = "ext:deno_node/internal/crypto/random.ts";

/// Twice in its script, as its bound is.
const MODULUS: &str = r#"validateUint32(modulusLength, "options.modulusLength");"#;
const MODULUS_BOUND: &str = r#"validateInt32(modulusLength, "options.modulusLength", 0, 16384);"#;
/// The same.
const PRIME: &str = r#"validateInt32(size, "size", 1);"#;
const PRIME_BOUND: &str = r#"validateInt32(size, "size", 1, 2 ** 16);"#;

pub(super) const PATCHES: &[Patch] = &[
    // Messages that wait are in buffers that are counted.
    (
        PORTS,
        "op_message_port_post_message_raw(currentPortId, data);",
        "op_message_port_post_message_raw(currentPortId, new primordials.Uint8Array(data));",
    ),
    (
        PORTS,
        "op_message_port_post_message(currentPortId, data);",
        "data.data = new primordials.Uint8Array(data.data); op_message_port_post_message(currentPortId, data);",
    ),
    // No other isolate hears a channel: nothing waits in the host for one.
    ("ext:deno_web/01_broadcast_channel.js", "    op_broadcast_send(rid, this[_name], data, sabId);\n", ""),
    // Whatever a program allows itself, it has 256 MiB for a key.
    (
        SCRYPT,
        "const maxmemBig = BigInt(maxmem);",
        "const most = 1n << 28n; const maxmemBig = 128n * pBig * rBig > most ? 0n : BigInt(maxmem) > most ? most + 1n : BigInt(maxmem);",
    ),
    // What is derived or made in the host is of 16 MiB at most; keys and primes are no longer than OpenSSL uses them.
    (SCRYPT, r#"validateInt32(keylen, "keylen", 0);"#, r#"validateInt32(keylen, "keylen", 0, 2 ** 24);"#),
    (
        PBKDF2,
        "if (keylen > MAX_I32) {\n    throw new ERR_OUT_OF_RANGE(\"keylen\", `<= ${MAX_I32}`, keylen);",
        "if (keylen > 2 ** 24) {\n    throw new ERR_OUT_OF_RANGE(\"keylen\", `<= ${2 ** 24}`, keylen);",
    ),
    (
        "ext:deno_node/internal/crypto/hash.ts",
        r#"validateUint32(xofLen, "options.outputLength");"#,
        r#"validateUint32(xofLen, "options.outputLength");
    if (xofLen > 2 ** 24) throw new RangeError(`The value of "options.outputLength" is out of range. It must be <= ${2 ** 24}. Received ${xofLen}`);"#,
    ),
    (
        KEYGEN,
        r#"validateInteger(length, "options.length", 8, 2 ** 31 - 1);"#,
        r#"validateInteger(length, "options.length", 8, 2 ** 27);"#,
    ),
    (KEYGEN, MODULUS, MODULUS_BOUND),
    (KEYGEN, MODULUS, MODULUS_BOUND),
    (
        KEYGEN,
        r#"validateInt32(primeLength, "options.primeLength", 0);"#,
        r#"validateInt32(primeLength, "options.primeLength", 0, 10000);"#,
    ),
    (
        "ext:deno_node/internal/crypto/diffiehellman.ts",
        r#"validateInt32(sizeOrKey, "sizeOrKey");"#,
        r#"validateInt32(sizeOrKey, "sizeOrKey", -(2 ** 31), 10000);"#,
    ),
    (RANDOM, PRIME, PRIME_BOUND),
    (RANDOM, PRIME, PRIME_BOUND),
    (
        "ext:deno_node/internal/crypto/sig.ts",
        r#"return getIntOption("saltLength", options);"#,
        r#"const length = getIntOption("saltLength", options);
  if (length > 16384) throw new ERR_INVALID_ARG_VALUE("options.saltLength", length);
  return length;"#,
    ),
    // What little is unpacked to is seen before more is.
    (
        COMPRESSION,
        "const { core, primordials } = __bootstrap;",
        "const { core, internals, primordials } = __bootstrap;",
    ),
    (
        COMPRESSION,
        "op_compression_new(format, true);

    this.#transform = new TransformStream({
      transform(chunk, controller) {
        chunk = convertChunk(chunk, prefix);
        const output = op_compression_write(
          rid,
          chunk,
        );
        maybeEnqueue(controller, output);
",
        "op_compression_new(format, true);

    this.#transform = new TransformStream({
      transform(chunk, controller) {
        chunk = convertChunk(chunk, prefix);
        const write = (piece) => op_compression_write(rid, piece);
        internals.unpack(chunk, format === \"brotli\" ? 16 : 4096, write, (output) => controller.enqueue(output));
",
    ),
    // What the engine reads was looked through, and what it calls is ours.
    (V8, "const { core, primordials } = __bootstrap;", "const { core, internals, primordials } = __bootstrap;"),
    (V8, "op_v8_new_serializer(this)", "internals.newSerializer(this)"),
    (V8, "op_v8_new_deserializer(this, buffer)", "internals.newDeserializer(this, buffer)"),
    (V8, "return op_v8_read_value(this[kHandle]);", "return internals.readValue(this[kHandle]);"),
    // What contexts have of their own that is counted.
    (VM, "const { core, primordials } = __bootstrap;", "const { core, internals, primordials } = __bootstrap;"),
    (
        VM,
        "    WeakMapPrototypeSet(\n      importModuleDynamicallyMap,\n      context,",
        "    internals.tendContext(context);\n    WeakMapPrototypeSet(\n      importModuleDynamicallyMap,\n      context,",
    ),
    (
        VM,
        "  WeakMapPrototypeSet(\n    importModuleDynamicallyMap,\n    contextObject,",
        "  internals.tendContext(contextObject);\n  WeakMapPrototypeSet(\n    importModuleDynamicallyMap,\n    contextObject,",
    ),
];

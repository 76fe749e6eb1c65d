//! Changes of the extensions' scripts by which memory is counted.

use super::Patch;

/// Ports of messages.
const PORTS: &str = "ext:deno_web/13_message_port.js";
const VM: &str = "ext:deno_node/vm.js";

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
        "ext:deno_node/internal/crypto/scrypt.ts",
        "const maxmemBig = BigInt(maxmem);",
        "const most = 1n << 28n; const maxmemBig = 128n * pBig * rBig > most ? 0n : BigInt(maxmem) > most ? most + 1n : BigInt(maxmem);",
    ),
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

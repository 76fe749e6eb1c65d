// The operations as scripts of the extensions find them that are loaded from here on.
import { core, internals, primordials } from "ext:core/mod.js";
import { deno } from "ext:warren/deno.js";

const { op_set_captured_bootstrap, ...ops } = core.ops;
op_set_captured_bootstrap({
  __proto__: null,
  primordials,
  core: Object.assign({ __proto__: null }, core, deno.whole, { ops: Object.assign({ __proto__: null }, ops) }),
  internals,
});


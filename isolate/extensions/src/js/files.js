// Handles of files (`fs.promises.open`) that a program loses without closing them.
import { core, internals } from "ext:core/mod.js";
import { deno } from "ext:warren/deno.js";

const { op_node_fs_close } = core.ops;
const timers = deno.whole.createLazyLoader("node:timers");

// Its descriptor is closed, and the program is told that it should have done so: as Node has it, by an error nobody can catch
// but a listener of `uncaughtException`.
const lost = (fd) => {
  try {
    op_node_fs_close(fd);
  } catch {
    // The program closed the number itself.
    return;
  }
  timers().setImmediate(() => {
    const error = new Error(
      "A FileHandle object was closed during garbage collection. This used to be allowed with a deprecation warning but is now " +
        `considered an error. Please close FileHandle objects explicitly. File descriptor: ${fd}`,
    );
    throw Object.assign(error, { code: "ERR_INVALID_STATE" });
  });
};

let handles;
internals.tendHandle = (handle, fd) => {
  handles ??= new FinalizationRegistry(lost);
  handles.register(handle, fd, handle);
};
internals.handleCloses = (handle) => handles.unregister(handle);

// `process.setuid` and the like: the kernel's answers as Node gives them.
import { core, internals, primordials } from "ext:core/mod.js";
import { deno } from "ext:warren/deno.js";

const { Error, ObjectAssign, StringPrototypeEndsWith } = primordials;
const { op_node_os_user_info, op_warren_set_id } = core.ops;

internals.setId = (syscall, id) => {
  if (typeof id === "string") {
    const isUser = StringPrototypeEndsWith(syscall, "uid");
    const own = isUser ? deno.uid() : deno.gid();
    if (id !== op_node_os_user_info(own).username) {
      const error = new Error(`${isUser ? "User" : "Group"} identifier does not exist: ${id}`);
      throw ObjectAssign(error, { code: "ERR_UNKNOWN_CREDENTIAL" });
    }
    id = own;
  }
  const errno = op_warren_set_id(syscall, id);
  if (errno === 0) return;
  const code = errno === 1 ? "EPERM" : "EINVAL";
  const words = errno === 1 ? "Operation not permitted" : "Invalid argument";
  throw ObjectAssign(new Error(`${code}, ${words}`), { errno, code, syscall });
};

// Names of hosts, for node:dns.
import { core } from "ext:core/mod.js";
import { deno } from "ext:warren/deno.js";
import { nextWait } from "ext:warren/handles.js";

const { op_warren_resolve, op_warren_read_source } = core.ops;

const EAI_NONAME = -3008;
const services = { 21: "ftp", 22: "ssh", 25: "smtp", 53: "domain", 80: "http", 110: "pop3", 143: "imap", 443: "https" };

// The addresses of a host, or the error's number.
deno.addressesOf = (host, port) => op_warren_resolve(nextWait(), host, port >>> 0);

// The name of an address and of a port's service.
deno.nameOf = async (address, port) => {
  let hosts = "";
  try {
    hosts = op_warren_read_source("/etc/hosts");
  } catch {
    // A session may have none.
  }
  for (const line of hosts.split("\n")) {
    const [known, name] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (known === address && name) return [name, services[port] ?? String(port)];
  }
  if (address === "::1" || address.startsWith("127.")) return ["localhost", services[port] ?? String(port)];
  throw EAI_NONAME;
};

// A question as a name server is asked it: for addresses alone, which is what the way out is asked for.
deno.queryName = async ({ query, recordType }) => {
  if (recordType !== "A" && recordType !== "AAAA") throw { ares_code: "ENOTIMP" };
  const found = await deno.addressesOf(query, 0);
  if (typeof found === "number") throw { ares_code: found === EAI_NONAME ? "ENOTFOUND" : "EREFUSED" };
  const of = found.filter((address) => address.includes(":") === (recordType === "AAAA"));
  if (of.length === 0) throw { ares_code: "ENODATA" };
  return of.map((data) => ({ data, ttl: 0 }));
};

/** Where the server is and what its key is, when nobody said so: as the `warren` command finds them. */

/** Where a server listens unless its configuration says otherwise. */
const LISTEN = "127.0.0.1:7717";

/** `$WARREN_URL`, else where a server of this machine listens. */
export function usualUrl(): string {
  return variable("WARREN_URL") ?? `http://${variable("WARREN_SERVER__LISTEN") ?? LISTEN}`;
}

/**
 * `$WARREN_KEY`, else the key in the data folder of this user's own server, for the server of that folder alone: the
 * one on this machine, at the port that it said it is at. Whoever listens elsewhere is not shown it.
 */
export function usualKey(url: string): string | undefined {
  const named = variable("WARREN_KEY");
  if (named !== undefined) return named;
  const folder = dataFolder();
  const port = localPort(url);
  if (folder === undefined || port === undefined) return undefined;
  const said = read(`${folder}/server.lock`)?.split(/\s+/).find((word) => word.startsWith("http://"));
  if (said === undefined || localPort(said) !== port) return undefined;
  return read(`${folder}/client.key`)?.trim();
}

function dataFolder(): string | undefined {
  const own = variable("WARREN_DATA__DIR") ?? variable("STATE_DIRECTORY")?.split(":")[0];
  if (own !== undefined) return own;
  const state = variable("XDG_STATE_HOME");
  const home = variable("HOME");
  return state !== undefined ? `${state}/warren` : home !== undefined ? `${home}/.local/state/warren` : undefined;
}

/** The port of a URL that leads to this machine. */
function localPort(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  // The URL's own parser writes every form of an IPv4 address with four numbers.
  const local = /^(localhost|\[::1?\]|127\.\d+\.\d+\.\d+|0\.0\.0\.0)$/.test(url.hostname);
  return local && url.protocol === "http:" && url.port !== "" ? url.port : undefined;
}

function variable(name: string): string | undefined {
  const value = typeof process === "undefined" ? undefined : process.env?.[name];
  return value === "" ? undefined : value;
}

/** A small file; nothing where it cannot be read, or there are no files. */
function read(path: string): string | undefined {
  try {
    // Asked for at run time, so that what is made for browsers has nothing of Node in it.
    return process.getBuiltinModule("node:fs").readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

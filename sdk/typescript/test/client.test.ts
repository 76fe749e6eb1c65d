/** How a server is found, when it is asked again, and what is sent with what. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import {
  ConnectionLost,
  QuotaExceeded,
  RateLimited,
  type SessionsOptions,
  Unauthorized,
  Warren,
  WarrenError,
} from "warren-sdk";
import { Server, Way, collect } from "./server.js";

const timeout = 30_000;

describe("the client", { timeout: 120_000 }, () => {
  let server: Server;

  before(async () => (server = await Server.start()));
  after(() => server.close());

  it("finds its server and key as the command line does", { timeout }, async () => {
    const names = ["WARREN_URL", "WARREN_KEY", "WARREN_DATA__DIR", "WARREN_SERVER__LISTEN", "STATE_DIRECTORY"];
    const were = names.map((name) => [name, process.env[name]] as const);
    const set = (variables: Record<string, string>): void => {
      for (const name of names) delete process.env[name];
      Object.assign(process.env, variables);
    };
    const elsewhere = mkdtempSync(join(tmpdir(), "warren-sdk-"));
    try {
      const listen = `localhost:${server.port}`;
      set({ WARREN_DATA__DIR: server.dir, WARREN_SERVER__LISTEN: listen });
      assert.deepEqual(await collect(new Warren().sessions.list()), []);
      set({ WARREN_URL: server.url, STATE_DIRECTORY: `${server.dir}:/other` });
      assert.deepEqual(await collect(new Warren().sessions.list()), []);
      set({ WARREN_URL: server.url, WARREN_KEY: server.key, WARREN_DATA__DIR: elsewhere });
      assert.deepEqual(await collect(new Warren().sessions.list()), []);
      // The folder's key is for the folder's server.
      set({ WARREN_URL: server.url, WARREN_DATA__DIR: elsewhere });
      await assert.rejects(collect(new Warren().sessions.list()), Unauthorized);
      const other = await Server.start();
      set({ WARREN_URL: other.url, WARREN_DATA__DIR: server.dir });
      await assert.rejects(collect(new Warren().sessions.list()), Unauthorized);
      await other.close();
      for (const url of ["ftp://127.0.0.1", "127.0.0.1:7717", ""]) assert.throws(() => new Warren({ url }), TypeError);
    } finally {
      rmSync(elsewhere, { recursive: true });
      for (const [name, value] of were) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
  });

  it("does not wait for a server that was never there, and waits for one that was", { timeout }, async () => {
    const gone = await Server.start();
    const warren = gone.client();
    await gone.kill();
    await assert.rejects(collect(warren.sessions.list()), (error) => {
      return error instanceof ConnectionLost && error.code === "unreachable" && error.hint !== undefined;
    });
    await gone.again();
    assert.deepEqual(await collect(warren.sessions.list()), []);
    await gone.kill();
    const making = warren.sessions.create({ name: "later" });
    await gone.again();
    assert.equal((await making).name, "later");
    await gone.close();
  });

  it("changes sessions, and finds them by what they are", { timeout }, async () => {
    const { sessions } = server.client();
    const one = await sessions.create({ name: "found-1", labels: { suite: "found", odd: "1" } });
    const two = await sessions.create({ name: "found-2", labels: { suite: "found" } });
    const found = async (options: SessionsOptions): Promise<(string | undefined)[]> =>
      (await collect(sessions.list({ pageSize: 1, ...options }))).map(({ id }) => id);
    assert.deepEqual((await found({ labels: { suite: "found" } })).sort(), [one.id, two.id].sort());
    assert.deepEqual(await found({ labels: { suite: "found", odd: "1" } }), [one.id]);
    assert.deepEqual(await found({ namePrefix: "found-2" }), [two.id]);
    assert.deepEqual(await found({ namePrefix: "found-", createdAfter: two.data?.created }), []);
    assert.deepEqual(await found({ namePrefix: "found-", createdBefore: new Date(0) }), []);
    const changed = await one.update({ name: "changed", labels: { odd: null, even: "1" }, idle_timeout: "1h" });
    assert.deepEqual([changed.labels, one.name], [{ suite: "found", even: "1" }, "changed"]);
    await two.hibernate();
    assert.deepEqual(await found({ namePrefix: "found-", state: "hibernated" }), [two.id]);
    await assert.rejects(two.update({ name: "changed" }), { code: "name_taken" });
    await two.update({ name: null });
    assert.equal(two.name, undefined);
    await Promise.all([one.delete(), two.delete()]);
  });

  it("asks again what was refused for now, as long as it has patience", { timeout }, async () => {
    const operator = server.client();
    await operator.tenants.create({ id: "slow" });
    await operator.tenants.update("slow", { quotas: { requests_per_s: 1, requests_burst: 1 } });
    const { key } = await operator.keys.create({ name: "slow", role: "admin" }, { tenant: "slow" });
    const hasty = server.client({ key, patience: 0 });
    await assert.rejects(async () => {
      for (;;) await hasty.sessions.create();
    }, (error) => {
      assert.ok(error instanceof RateLimited && !(error instanceof QuotaExceeded));
      assert.deepEqual([error.code, error.status], ["rate_limited", 429]);
      assert.ok(error.retryAfter !== undefined && error.retryAfter >= 1000);
      return true;
    });
    const had = (await operator.quotas({ tenant: "slow" })).quotas["sessions"]?.used;
    const patient = server.client({ key });
    await Promise.all([patient.sessions.create(), patient.sessions.create()]);
    await operator.tenants.update("slow", { quotas: { requests_per_s: null, requests_burst: null } });
    assert.equal((await operator.quotas({ tenant: "slow" })).quotas["sessions"]?.used, (had ?? 0) + 2);
    // A quota that time does not mend is not asked for again.
    await operator.tenants.update("slow", { quotas: { sessions: 0 } });
    await assert.rejects(patient.sessions.create(), QuotaExceeded);
  });

  it("sends no key where it is not asked to, and none twice", { timeout }, async () => {
    const asked: Request[] = [];
    const fetch: typeof globalThis.fetch = (input, init) => {
      asked.push(new Request(input, init));
      return globalThis.fetch(input, init);
    };
    const warren = server.client({ fetch });
    const session = await warren.sessions.create();
    await session.exec("true");
    await session.exec("true", { idempotencyKey: "mine" });
    await session.delete();
    const keys = asked.map((request) => request.headers.get("idempotency-key"));
    assert.equal(asked.length, 4);
    assert.ok(keys[0] !== null && keys[1] !== null && keys[0] !== keys[1]);
    assert.deepEqual(keys.slice(2), ["mine", null]);
    assert.ok(asked.every((request) => request.headers.get("authorization") === `Bearer ${server.key}`));
    await assert.rejects(session.exec("true", { idempotencyKey: "k".repeat(256) }), WarrenError);
    for (const name of ["", ".", ".."]) await assert.rejects(warren.sessions.get(name), { code: "invalid_name" });
    assert.throws(() => warren.sessions.at(".."), { code: "invalid_name" });
    await assert.rejects(warren.sessions.get("../keys"), WarrenError);
  });

  it("waits for a command that takes longer than a connection is silent", { timeout }, async () => {
    // As Node's fetch does after five minutes.
    let silent = 0;
    const fetch: typeof globalThis.fetch = async (input, init) => {
      const over = new AbortController();
      const late = setTimeout(() => over.abort(), 300);
      try {
        return await globalThis.fetch(input, { ...init, signal: over.signal });
      } catch (error) {
        if (!over.signal.aborted) throw error;
        silent += 1;
        throw new TypeError("fetch failed", { cause: Object.assign(new Error(), { code: "UND_ERR_HEADERS_TIMEOUT" }) });
      } finally {
        clearTimeout(late);
      }
    };
    const session = await server.client().sessions.create();
    const hurried = server.client({ fetch, patience: 500 }).sessions.at(session.ref);
    assert.equal((await hurried.exec("echo begun >> log; sleep 2; cat log")).stdout, "begun\n");
    assert.ok(silent > 1);
  });

  it("deletes what its first attempt may have deleted", { timeout }, async () => {
    const way = await Way.to(server);
    const warren = server.client({ url: way.url });
    const session = await warren.sessions.create();
    way.swallow = 1;
    await session.delete();
    assert.equal(way.swallow, 0);
    await assert.rejects(session.refresh(), { code: "session_deleted" });
    way.close();
  });

  it("manages keys and tenants, and shows what was used and done", { timeout }, async () => {
    const warren = server.client();
    assert.equal((await warren.tenants.create({ id: "acme", title: "Acme" })).title, "Acme");
    assert.deepEqual((await collect(warren.tenants.list({ pageSize: 1 }))).map(({ id }) => id).slice(0, 1), ["acme"]);
    const changed = await warren.tenants.update("acme", { weight: 50, limits_max: { file_bytes: "1GiB" } });
    assert.deepEqual([changed.weight, changed.limits_max["file_bytes"]], [50, 1 << 30]);
    assert.equal((await warren.tenants.get("acme")).weight, 50);
    const made = await warren.keys.create({ name: "ci", role: "member", expires_in: "1h" }, { tenant: "acme" });
    const member = server.client({ key: made.key });
    const session = await member.sessions.create();
    await session.exec("true");
    const rotated = await warren.keys.rotate(made.id, { tenant: "acme", grace: "1m" });
    assert.notEqual(rotated.key, made.key);
    assert.equal((await warren.keys.get(made.id, { tenant: "acme" })).name, "ci");
    await warren.keys.revoke(made.id, { tenant: "acme" });
    await assert.rejects(session.refresh(), Unauthorized);
    assert.deepEqual((await warren.keys.list({ tenant: "acme" })).map(({ state }) => state), ["revoked"]);
    const used = await warren.usage({ tenant: "acme", by: "session", from: new Date(Date.now() - 3_600_000) });
    assert.ok(used.some((row) => row.session === session.id && row.events > 0), JSON.stringify(used));
    const routes = (await collect(warren.audit({ tenant: "acme", pageSize: 1 }))).map(({ route }) => route);
    assert.ok(routes.includes("/v1/sessions"), routes.join());
    assert.deepEqual((await warren.templates()).filter(({ name }) => name === "none"), []);
    await warren.tenants.disable("acme");
    assert.equal((await warren.tenants.get("acme")).enabled, false);
  });
});

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SCOPES } from "../../../src/contract/define.ts";
import { RpcError } from "../../../src/contract/errors.ts";
import { LIMITS } from "../../../src/contract/limits.ts";
import { addressKey, isLoopbackAddress, normalizeAddress } from "../../../src/rpc/address.ts";
import { Admission } from "../../../src/rpc/admission.ts";
import { Authenticator, type AuthPolicy, type Credentials } from "../../../src/rpc/auth.ts";
import { grantScopes } from "../../../src/rpc/scopes.ts";
import { createCountingCrypto } from "../../support/ports.ts";
import { createFakeTime } from "../../support/time.ts";

const SECRET = "correct horse battery staple";

function setup(policy: AuthPolicy) {
  const time = createFakeTime();
  return { time, auth: new Authenticator(policy, { clock: time.clock, crypto: createCountingCrypto() }) };
}

describe("credentials", () => {
  const cases: [AuthPolicy["mode"], Credentials, boolean][] = [
    ["token", { token: SECRET }, true],
    ["token", { password: SECRET }, false],
    ["token", { deviceToken: SECRET }, false],
    ["token", { token: `${SECRET} ` }, false],
    ["token", { token: "x".repeat(LIMITS.secretCharsMax + 1) }, false],
    ["token", {}, false],
    ["password", { password: SECRET }, true],
    ["password", { token: SECRET }, false],
    ["none", {}, true],
  ];
  test.each(cases)("%s, %p: %p", (mode, credentials, isGranted) => {
    const { auth } = setup(mode === "none" ? { mode } : { mode, secret: SECRET });
    expect(!(auth.check(credentials, "127.0.0.1") instanceof RpcError)).toBe(isGranted);
  });

  test("no secret is in any refusal", () => {
    const { auth } = setup({ mode: "token", secret: SECRET });
    const refused = auth.check({ token: "my guess" }, "127.0.0.1");
    expect(JSON.stringify(refused instanceof RpcError && refused.toWire())).not.toMatch(/guess|horse/);
  });
});

describe("the local token", () => {
  const LOCAL = "made-for-the-clients-of-this-machine-0123456";
  const setupLocal = (policy: AuthPolicy) => {
    const time = createFakeTime();
    return new Authenticator(policy, { clock: time.clock, crypto: createCountingCrypto() }, LOCAL);
  };
  const isGranted = (auth: Authenticator, credentials: Credentials, address: string): boolean =>
    !(auth.check(credentials, address) instanceof RpcError);

  const modes = ["token", "password"] as const;
  const loopback = ["127.0.0.1", "127.9.8.7", "::1", "::ffff:127.0.0.1"];
  const elsewhere = ["192.168.1.5", "::2", "fe80::1%lo", "localhost", "127.0.0.1.evil.example", ""];

  test.each(modes)("opens a gateway in mode %s as its secret does, from loopback only", (mode) => {
    const auth = setupLocal({ mode, secret: SECRET });
    const bySecret = auth.check({ [mode]: SECRET }, "192.168.1.5");
    for (const address of loopback) expect(auth.check({ token: LOCAL }, address)).toEqual(bySecret);
    for (const address of elsewhere) expect(isGranted(auth, { token: LOCAL }, address)).toBe(false);
    expect(isGranted(auth, { [mode]: SECRET }, "127.0.0.1")).toBe(true);
  });

  test("is a token: as a password or a device's it is a wrong one", () => {
    const auth = setupLocal({ mode: "password", secret: SECRET });
    expect(isGranted(auth, { password: LOCAL }, "127.0.0.1")).toBe(false);
    expect(isGranted(auth, { deviceToken: LOCAL }, "127.0.0.1")).toBe(false);
    // As an Authorization header presents it: it does not say of which kind it is.
    expect(isGranted(auth, { token: LOCAL, password: LOCAL }, "127.0.0.1")).toBe(true);
  });

  test.each([`${LOCAL} `, LOCAL.slice(1), "", "x".repeat(LIMITS.secretCharsMax + 1)])(
    "is not nearly right (%#)",
    (token) => {
      const auth = setupLocal({ mode: "token", secret: SECRET });
      expect(isGranted(auth, { token }, "127.0.0.1")).toBe(false);
    },
  );

  test("there is none where none was made", () => {
    const { auth } = setup({ mode: "password", secret: SECRET });
    for (const token of ["", "undefined", SECRET])
      expect(isGranted(auth, { token }, "127.0.0.1")).toBe(false);
  });

  test("is behind the same limit, and a wrong one counts", () => {
    const auth = setupLocal({ mode: "token", secret: SECRET });
    for (let n = 0; n < LIMITS.failedCredentialsMax; n++) {
      expect(auth.check({ token: `${LOCAL}${n}` }, "127.0.0.1")).toMatchObject({ code: "unauthorized" });
    }
    expect(auth.check({ token: LOCAL }, "127.0.0.1")).toMatchObject({ code: "busy" });
    expect(isGranted(auth, { token: LOCAL }, "127.0.0.2")).toBe(true);
  });
});

describe("the limiter", () => {
  test("100,000 guesses with every mix of fields: ten a minute are looked at", () => {
    const { auth, time } = setup({ mode: "token", secret: SECRET });
    let looked = 0;
    for (let n = 0; n < 100_000; n++) {
      const extra: Credentials = n % 2 === 0 ? { deviceToken: "bogus" } : { password: "bogus" };
      const answer = auth.check({ token: `guess ${n}`, ...extra }, "127.0.0.1");
      if (answer instanceof RpcError && answer.code === "unauthorized") looked++;
      if (n % 100 === 99) time.advance(60);
    }
    // 1,000 advances of 60 ms are one minute.
    expect(looked).toBeLessThanOrEqual(2 * LIMITS.failedCredentialsMax);
    expect(auth.check({ token: SECRET }, "127.0.0.2")).not.toBeInstanceOf(RpcError);
  });

  test("a missing credential costs nothing", () => {
    const { auth } = setup({ mode: "token", secret: SECRET });
    for (let n = 0; n < 100; n++) auth.check({ deviceToken: "x" }, "127.0.0.1");
    expect(auth.check({ token: SECRET }, "127.0.0.1")).not.toBeInstanceOf(RpcError);
  });

  test("counts a whole /64 as one, and IPv4 inside IPv6 as itself", () => {
    const { auth } = setup({ mode: "token", secret: SECRET });
    for (let n = 0; n < LIMITS.failedCredentialsMax; n++) auth.check({ token: "no" }, `2001:db8:1:2::${n}`);
    expect(auth.check({ token: SECRET }, "2001:db8:1:2:ffff::1")).toMatchObject({ code: "busy" });
    expect(auth.check({ token: SECRET }, "2001:db8:1:3::1")).not.toBeInstanceOf(RpcError);
    expect(addressKey("::ffff:192.0.2.7")).toBe(addressKey("192.0.2.7"));
  });
});

describe("scopes", () => {
  test("granted is a subset of what is allowed and of what is asked for", () => {
    const names = fc.array(
      fc.constantFrom(...SCOPES, "operator.read", "operator.admin", "root", "__proto__", ""),
    );
    const implied = (scopes: readonly string[]) => new Set(grantScopes(SCOPES, scopes));
    fc.assert(
      fc.property(fc.subarray([...SCOPES]), names, (allowed, asked) => {
        const granted = grantScopes(allowed, asked);
        const byRecord = new Set(grantScopes(allowed, undefined));
        return granted.every((scope) => byRecord.has(scope) && implied(asked).has(scope));
      }),
      { numRuns: 20_000, seed: 7 },
    );
  });
});

describe("addresses", () => {
  test.each(["127.0.0.1", "127.255.0.3", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"])(
    "%s is loopback",
    (address) => {
      expect(isLoopbackAddress(address)).toBe(true);
    },
  );
  test.each([
    "127.evil.com",
    "127.0.0.1.evil.com",
    "127.0.0.01",
    "127.1",
    "localhost",
    "",
    "::2",
    "::ffff:128.0.0.1",
    "1127.0.0.1",
    "::1::",
  ])("%s is not", (address) => {
    expect(isLoopbackAddress(address)).toBe(false);
  });
  test("one spelling for one address", () => {
    expect(normalizeAddress("2001:DB8::1")).toBe(normalizeAddress("2001:db8:0:0:0:0:0:1"));
    expect(normalizeAddress("fe80::1%eth0")).toBe(normalizeAddress("fe80::1"));
    expect(normalizeAddress("not one")).toBeUndefined();
  });
});

describe("places", () => {
  test("sixteen strangers an address, sixty-four in all; who proves himself makes room", () => {
    const admission = new Admission(() => 1_000);
    const first = admission.admit("10.0.0.1", false);
    for (let n = 1; n < LIMITS.unauthenticatedPerAddressMax; n++) admission.admit("10.0.0.1", false);
    expect(admission.admit("10.0.0.1", false)).toMatchObject({ code: "busy" });
    expect(admission.admit("10.0.0.1", true)).not.toBeInstanceOf(RpcError);
    if (!(first instanceof RpcError)) first.promote();
    expect(admission.admit("10.0.0.1", false)).not.toBeInstanceOf(RpcError);
    for (let n = 16; n < LIMITS.unauthenticatedMax; n++) admission.admit(`10.0.1.${n}`, false);
    expect(admission.admit("10.0.2.1", false)).toMatchObject({ code: "busy" });
  });

  test("a place is given back once, however it ends", async () => {
    const admission = new Admission(() => 1);
    const place = admission.admit("10.0.0.1", false);
    if (place instanceof RpcError) throw place;
    expect(admission.admit("10.0.0.2", true)).toMatchObject({ code: "busy" });
    const empty = admission.empty();
    place.release();
    place.release();
    place.promote();
    await empty;
    const next = admission.admit("10.0.0.2", true);
    expect(next).not.toBeInstanceOf(RpcError);
    expect(admission.admit("10.0.0.3", true)).toMatchObject({ code: "busy" });
  });
});

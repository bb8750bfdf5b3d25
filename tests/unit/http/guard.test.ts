import { describe, expect, test } from "bun:test";
import { checkHost, checkOrigin, checkQuery, clientAddress, bearerOf } from "../../../src/http/guard.ts";

describe("Host", () => {
  test.each([
    "localhost",
    "localhost:18789",
    "127.0.0.1:18789",
    "[::1]:18789",
    "[::1]",
    "192.168.1.7:18789",
    "LOCALHOST:1",
    "localhost.",
    "pi.lan:18789",
    "PI.lan",
  ])("%s is served", (host) => {
    expect(checkHost(host, ["pi.lan"])).toBeUndefined();
  });
  test.each([
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "127.evil.com",
    "xlocalhost",
    "pi.lan.evil.example",
  ])("%s is forbidden", (host) => {
    expect(checkHost(host, ["pi.lan"])?.code).toBe("forbidden");
  });
  test.each([
    null,
    "",
    "a, b",
    "localhost, localhost",
    "user@localhost",
    "localhost:18789:1",
    "a b",
    "a<script>",
    "localhost:port",
    "[::1",
    "::1",
    "[::zz]",
    "localhost/x",
    "localhost:123456",
    ".localhost",
  ])("%p is no host", (host) => {
    expect(checkHost(host, ["pi.lan"])?.code).toBe("invalid_request");
  });
});

describe("Origin", () => {
  const check = (origin: string | undefined, host = "localhost:18789") =>
    checkOrigin(new Headers({ host, ...(origin !== undefined && { origin }) }), ["https://pi.example"])?.code;
  test.each([undefined, "http://localhost:18789", "https://localhost:18789", "https://pi.example"])(
    "%p may connect",
    (origin) => {
      expect(check(origin)).toBeUndefined();
    },
  );
  test.each([
    "null",
    "",
    "http://localhost",
    "http://localhost:18788",
    "http://localhost:187890",
    "http://localhost:18789.evil.example",
    "https://pi.example.evil",
    "http://pi.example",
    "https://pi.example:443",
    "file://",
    "HTTP://LOCALHOST:18789",
  ])("%p may not", (origin) => {
    expect(check(origin)).toBe("forbidden");
  });
});

test.each(["token", "auth", "access_token", "password", "api_key", "TOKEN"])("?%s= is refused", (name) => {
  const error = checkQuery(`http://localhost/ws?a=1&${name}=s3cret`);
  expect(error?.code).toBe("invalid_request");
  expect(error?.message).not.toContain("s3cret");
});

test("a harmless query is served", () => expect(checkQuery("http://localhost/ws?a=token")).toBeUndefined());

test.each([
  ["Bearer abc", "abc"],
  ["bearer   abc ", "abc"],
  ["Bearer", undefined],
  ["Basic abc", undefined],
  ["Bearer a b", undefined],
])("%p holds %p", (header, token) =>
  expect(bearerOf(new Headers({ authorization: header }))).toBe(token as never),
);

describe("who is counted", () => {
  const from = (peer: string, forwarded: string, trusted: string[]) =>
    clientAddress(peer, new Headers({ "x-forwarded-for": forwarded }), trusted);
  test.each([
    ["a header from anyone is ignored", "10.0.0.9", "1.2.3.4", [], "10.0.0.9"],
    ["a listed proxy is believed", "127.0.0.1", "1.2.3.4", ["127.0.0.1"], "1.2.3.4"],
    ["only the nearest unlisted hop counts", "127.0.0.1", "6.6.6.6, 1.2.3.4", ["127.0.0.1"], "1.2.3.4"],
    ["through two listed proxies", "127.0.0.1", "1.2.3.4, 10.0.0.2", ["127.0.0.1", "10.0.0.2"], "1.2.3.4"],
    ["listed as IPv4, seen as IPv6", "::ffff:127.0.0.1", "1.2.3.4", ["127.0.0.1"], "1.2.3.4"],
    ["no address in the header", "127.0.0.1", "unknown", ["127.0.0.1"], "127.0.0.1"],
    ["an empty header", "127.0.0.1", "", ["127.0.0.1"], "127.0.0.1"],
  ])("%s", (_what, peer, forwarded, trusted, wanted) => {
    expect(from(peer, forwarded, trusted)).toBe(wanted);
  });
});

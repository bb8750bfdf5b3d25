import { describe, expect, test } from "bun:test";
import { isInNetwork, isNetwork } from "../../../src/rpc/address.ts";

describe("networks", () => {
  const cases: [string, string, boolean][] = [
    ["10.1.2.3", "10.0.0.0/8", true],
    ["11.1.2.3", "10.0.0.0/8", false],
    ["172.31.255.255", "172.16.0.0/12", true],
    ["172.32.0.0", "172.16.0.0/12", false],
    ["10.0.0.1", "10.0.0.1", true],
    ["10.0.0.1", "10.0.0.2", false],
    ["8.8.8.8", "0.0.0.0/0", true],
    ["::1", "0.0.0.0/0", false],
    ["8.8.8.8", "::/0", false],
    ["fd00::5", "fd00::/8", true],
    ["fe80::1", "fd00::/8", false],
    ["::ffff:10.1.2.3", "10.0.0.0/8", true],
    ["10.1.2.3", "::ffff:10.0.0.0/104", true],
    ["11.1.2.3", "::ffff:10.0.0.0/104", false],
    ["fd00:0:0:0:0:0:0:5", "fd00::5", true],
    ["not an address", "0.0.0.0/0", false],
  ];
  test.each(cases)("%s in %s: %p", (address, network, isInside) => {
    expect(isInNetwork(address, network)).toBe(isInside);
  });

  test.each(["10.0.0.0/8", "10.0.0.1", "::1", "fd00::/8", "::ffff:10.0.0.0/104", "0.0.0.0/0"])(
    "%s",
    (text) => {
      expect(isNetwork(text)).toBe(true);
    },
  );

  test.each([
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/",
    "10.0.0.0/-1",
    "10.0.0.0/08",
    "10.0.0/8",
    "a/8",
    "",
    "fe80::1%eth0/64",
    "1.2.3.4/8/8",
  ])("%s is none", (text) => {
    expect(isNetwork(text)).toBe(false);
  });
});

/**
 * Addresses as text. A name is never taken for an address, an address never for a name.
 */

/** Four numbers of 0–255 without leading zeros. */
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

export function isIpv4(text: string): boolean {
  return IPV4.test(text);
}

/** The eight groups of an IPv6 address, zone left out; undefined if it is none. @source RFC 4291 §2.2 */
export function ipv6Groups(text: string): number[] | undefined {
  if (text.length > 64) return undefined;
  const bare = unmapTail(text.split("%")[0] ?? "");
  if (!/^[0-9a-f:]+$/i.test(bare)) return undefined;
  const halves = bare.split("::");
  if (halves.length > 2) return undefined;
  const [head = [], tail] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array<string>(tail ? missing : 0).fill("0"), ...(tail ?? [])];
  return groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))
    ? groups.map((group) => Number.parseInt(group, 16))
    : undefined;
}

/** `::ffff:1.2.3.4` ends in an IPv4 address: written as two groups. */
function unmapTail(text: string): string {
  const at = text.lastIndexOf(":") + 1;
  const tail = text.slice(at);
  if (!isIpv4(tail)) return text;
  const [a = 0, b = 0, c = 0, d = 0] = tail.split(".").map(Number);
  return `${text.slice(0, at)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

/** One spelling per address: IPv4 inside IPv6 becomes IPv4. Undefined if it is no address. */
export function normalizeAddress(text: string): string | undefined {
  if (isIpv4(text)) return text;
  const groups = ipv6Groups(text);
  if (!groups) return undefined;
  const [g6 = 0, g7 = 0] = groups.slice(6);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped) return [g6 >> 8, g6 & 255, g7 >> 8, g7 & 255].join(".");
  return groups.map((group) => group.toString(16)).join(":");
}

/** A network as it is written: an address, or one with the number of bits that count (RFC 4632). */
export function isNetwork(text: string): boolean {
  const [address = "", bits, ...more] = text.split("/");
  const width = isIpv4(address) ? 32 : !address.includes("%") && ipv6Groups(address) ? 128 : 0;
  const isWidth = bits === undefined || (/^(?:0|[1-9]\d{0,2})$/.test(bits) && Number(bits) <= width);
  return width > 0 && isWidth && more.length === 0;
}

/** An address is in a network when the bits that count are the same. */
export function isInNetwork(address: string, network: string): boolean {
  const [start = "", bits] = network.split("/");
  const [inside, outside] = [bitsOf(address), bitsOf(start)];
  if (!inside || inside.length !== outside?.length) return false;
  // A network of IPv4 written inside IPv6 counts its bits from there.
  const shift = start.includes(":") && outside.length === 32 ? 96 : 0;
  const length = bits === undefined ? outside.length : Math.max(Number(bits) - shift, 0);
  return inside.slice(0, length) === outside.slice(0, length);
}

/** An address as zeros and ones: 32 of them, or 128. */
function bitsOf(text: string): string | undefined {
  const address = normalizeAddress(text);
  if (address === undefined) return undefined;
  if (isIpv4(address)) return toBits(address.split(".").map(Number), 8);
  return toBits(ipv6Groups(address) ?? [], 16);
}

function toBits(numbers: readonly number[], width: number): string {
  return numbers.map((number) => number.toString(2).padStart(width, "0")).join("");
}

/** 127.0.0.0/8 and ::1. */
export function isLoopbackAddress(text: string): boolean {
  const address = normalizeAddress(text);
  return (
    address !== undefined &&
    (address === "0:0:0:0:0:0:0:1" || (isIpv4(address) && address.startsWith("127.")))
  );
}

/** What limits count by: an IPv4 address, or the /64 that one IPv6 host can choose freely in. */
export function addressKey(text: string): string {
  const address = normalizeAddress(text) ?? text.slice(0, 64);
  return address.includes(":") ? address.split(":").slice(0, 4).join(":") : address;
}

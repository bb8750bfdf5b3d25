import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";

import type { Confinement } from "../../ports.ts";

/** Read by every program: libraries, certificates, names of hosts, time zones, what the machine is like. */
const SYSTEM = [
  "/usr",
  "/lib",
  "/lib64",
  "/nix/store",
  "/etc/ld.so.cache",
  "/etc/ld.so.conf",
  "/etc/ld.so.conf.d",
  // Not all of its parents: keys of the machine's own services lie beside them.
  "/etc/ssl/certs",
  "/etc/ssl/cert.pem",
  "/etc/ssl/openssl.cnf",
  "/etc/pki/tls/certs",
  "/etc/pki/ca-trust",
  "/etc/ca-certificates",
  "/etc/crypto-policies",
  "/etc/hosts",
  "/etc/host.conf",
  "/etc/resolv.conf",
  "/etc/nsswitch.conf",
  "/etc/gai.conf",
  "/etc/services",
  "/etc/protocols",
  // Where the file above leads on many systems; replaced whole when the network changes.
  "/run/systemd/resolve",
  "/etc/localtime",
  "/etc/timezone",
  "/proc/self",
  "/proc/cpuinfo",
  "/proc/meminfo",
  "/proc/stat",
  "/proc/loadavg",
  "/proc/uptime",
  "/proc/version",
  "/proc/sys/vm/overcommit_memory",
  "/proc/sys/vm/mmap_min_addr",
  "/sys/devices/system/cpu",
  "/sys/fs/cgroup",
  "/sys/kernel/mm/transparent_hugepage",
  "/dev/urandom",
  "/dev/random",
  "/dev/zero",
  // The program that runs, whatever its name is by now.
  "/proc/self/exe",
];

/**
 * For the programs that it starts, each of which looks at its own directory of `/proc`. The memory and the
 * environment of others are kept from them even so: Landlock takes looking at those for tracing.
 */
const PROGRAMS = ["/bin", "/sbin", "/proc"];

/**
 * Many systems put a new `resolv.conf` in the place of the old one when the network changes. A grant is for
 * the file and not for its name, so without its directory no name would be found from then on. What nobody
 * else is to see there has modes that keep us out, unless we are the superuser.
 */
const NETWORK = ["/etc"];

/** Variables that lead to certificates of the owner's own. */
const CERTIFICATES = ["SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"];

/** Written by every program. */
export const WRITABLE: readonly string[] = ["/dev/null"];

/** What is in the built program has a path below this one. */
const BUILT = "/$bunfs/";

/** What every program needs to read, ours included; paths that are not there are left out later. */
export function readableByAll(granted: Pick<Confinement, "network" | "exec">): string[] {
  const certificates = CERTIFICATES.flatMap((name) => process.env[name] || []);
  return [...systemFiles(granted, process.geteuid?.() === 0), ...certificates, ...ownCode().readable];
}

export function systemFiles(
  { network, exec }: Pick<Confinement, "network" | "exec">,
  isSuperuser: boolean,
): readonly string[] {
  return [...SYSTEM, ...(exec ? PROGRAMS : []), ...(network && !isSuperuser ? NETWORK : [])];
}

/** Where our own modules are and what they import, when they are not inside the program. */
export function ownCode(): { readonly readable: readonly string[]; readonly listed: readonly string[] } {
  const directory = import.meta.dirname;
  if (directory === undefined || directory.startsWith(BUILT)) return { readable: [], listed: [] };
  const source = join(directory, "..", "..");
  const top = join(source, "..");
  const beside = ["package.json", "tsconfig.json", "deno.json"].map((name) => join(top, name));
  const packages = join(top, "node_modules");
  const linked = existsSync(packages) ? [realpathSync.native(packages)] : [];
  // Bun lists the directory of what it starts with, which is ours or that of a program which embeds us.
  const [, entry] = process.argv;
  const started = entry === undefined ? [] : [dirname(entry)];
  // Packages are looked for by listing each directory on the way.
  return { readable: [source, ...beside, packages, ...linked, ...started], listed: [top] };
}

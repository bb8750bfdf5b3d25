import { closeSync, constants, fstatSync, openSync } from "node:fs";

import type { Confinement } from "../../ports.ts";
import { WRITABLE, ownCode, readableByAll } from "./every-program.ts";
import type { Kernel } from "./kernel.ts";

// Rights, as the kernel's header numbers them. Running a file is not among them: the filter holds that.
const WRITE_FILE = 1 << 1;
const READ_FILE = 1 << 2;
const READ_DIR = 1 << 3;
const REMOVE_DIR = 1 << 4;
const REMOVE_FILE = 1 << 5;
const MAKE_CHAR = 1 << 6;
const MAKE_DIR = 1 << 7;
const MAKE_REG = 1 << 8;
const MAKE_SOCK = 1 << 9;
const MAKE_FIFO = 1 << 10;
const MAKE_BLOCK = 1 << 11;
const MAKE_SYM = 1 << 12;
const REFER = 1 << 13;
const TRUNCATE = 1 << 14;
const IOCTL_DEV = 1 << 15;

const READ = READ_FILE | READ_DIR;
const MAKE = MAKE_DIR | MAKE_REG | MAKE_SOCK | MAKE_FIFO | MAKE_SYM;
const WRITE = READ | WRITE_FILE | TRUNCATE | REMOVE_DIR | REMOVE_FILE | MAKE | REFER;
const FIRST = READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE | MAKE_CHAR | MAKE_BLOCK;
/** All that a rule for something else than a directory may say. */
const OF_FILES = READ_FILE | WRITE_FILE | TRUNCATE;

const NET_BIND_AND_CONNECT = 0b11;
const SCOPE_SOCKETS_AND_SIGNALS = 0b11;

/** Versions of Landlock that brought a right. */
const SINCE = { refer: 2, truncate: 3, network: 4, devices: 5, scopes: 6 } as const;

const VERSION_WANTED = 1;
const RULE_PATH_BENEATH = 1;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAPBSET_DROP = 24;
/** More than there are: the kernel says where they end. */
const CAPABILITIES_MAX = 64;

/** Opens a path only to name it; Linux has the same number on all processors we know. */
export const O_PATH = 0o1000_0000;

/** The kernel's version of Landlock, 0 when it has none or it is switched off. */
export function landlockVersion(kernel: Kernel): number {
  return Math.max(0, kernel.call("landlock_create_ruleset", 0, 0, VERSION_WANTED));
}

/**
 * From here on this thread, and whatever it starts, reaches no other files than those.
 *
 * @throws Error that says why not, without a subject
 */
export function restrictFiles(kernel: Kernel, confinement: Confinement): void {
  const version = landlockVersion(kernel);
  if (version === 0) throw new Error("this kernel has no Landlock, or it is switched off");
  const attributes = attributesOf(version, confinement);
  const handled = Number(attributes[0]);
  const ruleset = createRuleset(kernel, attributes);
  const allow = (paths: readonly string[], access: number): void =>
    paths.forEach((path) => addRule(kernel, ruleset, { path, access: access & handled }));
  try {
    allow([...readableByAll(confinement), ...confinement.readable], READ);
    allow(ownCode().listed, READ_DIR);
    allow([...WRITABLE, ...confinement.writable], WRITE);
    dropCapabilities(kernel);
    expect("no_new_privs", kernel.call("prctl", PR_SET_NO_NEW_PRIVS, 1));
    expect("landlock_restrict_self", kernel.call("landlock_restrict_self", ruleset, 0));
  } finally {
    closeSync(ruleset);
  }
}

/**
 * What only the superuser may do, from the next program on: it reads the kernel's memory and everybody's files
 * otherwise. Whoever is not the superuser has none of it, and the first call says so.
 */
function dropCapabilities(kernel: Kernel): void {
  for (let capability = 0; capability < CAPABILITIES_MAX; capability++) {
    if (kernel.call("prctl", PR_CAPBSET_DROP, capability) < 0) return;
  }
}

/**
 * What is refused but for the rules, as the kernel reads it: rights to files, to ports of TCP, and to sockets
 * and signals of others. The latter two are a second line behind the filter of calls.
 */
export function attributesOf(version: number, { network }: Pick<Confinement, "network">): BigUint64Array {
  let files = FIRST;
  if (version >= SINCE.refer) files |= REFER;
  if (version >= SINCE.truncate) files |= TRUNCATE;
  if (version >= SINCE.devices) files |= IOCTL_DEV;
  const ports = version >= SINCE.network && !network ? NET_BIND_AND_CONNECT : 0;
  const scopes = version >= SINCE.scopes ? SCOPE_SOCKETS_AND_SIGNALS : 0;
  return new BigUint64Array([files, ports, scopes].map(BigInt));
}

function createRuleset(kernel: Kernel, attributes: BigUint64Array): number {
  const address = kernel.addressOf(attributes);
  return expect(
    "landlock_create_ruleset",
    kernel.call("landlock_create_ruleset", address, attributes.byteLength, 0),
  );
}

function addRule(
  kernel: Kernel,
  ruleset: number,
  rule: { readonly path: string; readonly access: number },
): void {
  const fd = openPath(rule.path);
  if (fd === undefined) return;
  try {
    const access = fstatSync(fd).isDirectory() ? rule.access : rule.access & OF_FILES;
    const attributes = new Uint8Array(12);
    const view = new DataView(attributes.buffer);
    view.setBigUint64(0, BigInt(access), true);
    view.setInt32(8, fd, true);
    const address = kernel.addressOf(attributes);
    expect("landlock_add_rule", kernel.call("landlock_add_rule", ruleset, RULE_PATH_BENEATH, address, 0));
  } finally {
    closeSync(fd);
  }
}

function openPath(path: string): number | undefined {
  try {
    return openSync(path, O_PATH | constants.O_RDONLY);
  } catch {
    // Not there, or behind what we may not enter: then nothing of it is granted.
    return undefined;
  }
}

function expect(what: string, answer: number): number {
  if (answer < 0) throw new Error(`the kernel refuses ${what} (error ${-answer})`);
  return answer;
}

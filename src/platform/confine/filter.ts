import { AUDIT_ARCH, NEWEST_CALL, numberOf } from "./system-calls.ts";
import type { CallName, Machine } from "./system-calls.ts";

/** Calls of the kernel that are refused, unless each of the conditions holds. */
export interface Rule {
  readonly calls: readonly CallName[];
  readonly errno: number;
  readonly unless?: readonly Condition[];
}

/** One argument, as the 32 bits that the kernel itself looks at. */
export interface Condition {
  readonly argument: 0 | 1 | 2 | 3 | 4 | 5;
  readonly mask: number;
  readonly oneOf: readonly number[];
}

/** One instruction of the kernel's filter machine (classic BPF). */
export interface Instruction {
  readonly code: number;
  /** Instructions to skip when a comparison holds, and when it does not. */
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

export const EACCES = 13;
export const ENOSYS = 38;

const INSTRUCTION_BYTES = 8;

/** Where the kernel puts things: the call's number, the processor, then arguments of 8 bytes each. */
const NUMBER_AT = 0;
const ARCH_AT = 4;
const ARGUMENTS_AT = 16;

const ALL_BITS = 0xffff_ffff;
const ALLOWED = 0x7fff_0000;
const REFUSED = 0x0005_0000;

const load = (at: number): Instruction => ({ code: 0x20, jt: 0, jf: 0, k: at });
const and = (mask: number): Instruction => ({ code: 0x54, jt: 0, jf: 0, k: mask });
const equals = (k: number, jt: number, jf: number): Instruction => ({ code: 0x15, jt, jf, k });
const above = (k: number, jt: number, jf: number): Instruction => ({ code: 0x25, jt, jf, k });
const give = (k: number): Instruction => ({ code: 0x06, jt: 0, jf: 0, k });

/**
 * The program that the kernel runs for each call of this process. A call for another processor (32 bits, the
 * x32 numbers) has other numbers and is refused whole, and so is one that is newer than our lists.
 */
export function assemble(rules: readonly Rule[], machine: Machine): Instruction[] {
  return [
    load(ARCH_AT),
    equals(AUDIT_ARCH[machine], 1, 0),
    give(REFUSED | EACCES),
    load(NUMBER_AT),
    above(NEWEST_CALL, 0, 1),
    give(REFUSED | ENOSYS),
    ...rules.flatMap((rule) => {
      const verdict = verdictOf(rule);
      return rule.calls.flatMap((name) => {
        const number = numberOf(name, machine);
        return number === undefined ? [] : [equals(number, 0, verdict.length), ...verdict];
      });
    }),
    give(ALLOWED),
  ];
}

/** As the kernel reads it: both processors write the low byte first. */
export function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, { code, jt, jf, k }] of program.entries()) {
    const at = index * INSTRUCTION_BYTES;
    view.setUint16(at, code, true);
    view.setUint8(at + 2, jt);
    view.setUint8(at + 3, jf);
    view.setUint32(at + 4, k, true);
  }
  return bytes;
}

function verdictOf({ errno, unless }: Rule): Instruction[] {
  const refuse = give(REFUSED | errno);
  if (unless === undefined) return [refuse];
  return [...unless.flatMap((condition) => conditionOf(condition, refuse)), give(ALLOWED)];
}

/** Falls through when the argument is one of those. */
function conditionOf({ argument, mask, oneOf }: Condition, refuse: Instruction): Instruction[] {
  const masked = mask === ALL_BITS ? [] : [and(mask)];
  const compared = oneOf.map((value, index) => equals(value, oneOf.length - index, 0));
  return [load(ARGUMENTS_AT + argument * 8), ...masked, ...compared, refuse];
}

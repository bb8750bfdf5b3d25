import type { Deny } from "./capable.ts";

/** What ends, moves or commands the process that plugins share with others. */
const REFUSED: ReadonlySet<string | symbol> = new Set([
  "exit",
  "reallyExit",
  "abort",
  "kill",
  "_kill",
  "chdir",
  "umask",
  "setuid",
  "setgid",
  "seteuid",
  "setegid",
  "setgroups",
  "initgroups",
  "execve",
]);

/**
 * The runtime's `process` as a plugin has it: with the variables it was granted, without what would end or
 * change everybody's. What it sets there is its own. All else is as it is.
 */
export function guardProcess(given: unknown, env: Readonly<Record<string, string>>, deny: Deny): object {
  const real = typeof given === "object" && given !== null ? given : {};
  const own = new Map<string | symbol, unknown>([["env", { ...env }]]);
  const bound = new Map<string | symbol, { readonly method: object; readonly mine: object }>();

  function methodOf(name: string | symbol, method: object): object {
    const known = bound.get(name);
    if (known?.method === method) return known.mine;
    // The real one as its receiver, which the runtime's own code looks into; what returns it returns ours.
    const mine = new Proxy(method, {
      apply(_target, receiver: unknown, args) {
        if (REFUSED.has(name)) throw deny("process", `call process.${String(name)}`);
        // What the runtime calls so is a function.
        const call = method as (...args: unknown[]) => unknown;
        const answer: unknown = Reflect.apply(call, receiver === guarded ? real : receiver, args);
        return answer === real ? guarded : answer;
      },
    });
    bound.set(name, { method, mine });
    return mine;
  }

  function get(name: string | symbol): unknown {
    if (own.has(name)) return own.get(name);
    const value: unknown = Reflect.get(real, name);
    return typeof value === "function" && name !== "constructor" ? methodOf(name, value) : value;
  }

  // Its target is empty: what of the real one cannot be changed would otherwise have to be shown as it is.
  const guarded: object = new Proxy(
    {},
    {
      get: (_target, name) => get(name),
      set: (_target, name, value) => {
        own.set(name, value);
        return true;
      },
      defineProperty: (_target, name, { value }) => {
        own.set(name, value);
        return true;
      },
      deleteProperty: (_target, name) => {
        own.set(name, undefined);
        return true;
      },
      has: (_target, name) => own.has(name) || Reflect.has(real, name),
      ownKeys: () => [...new Set([...Reflect.ownKeys(real), ...own.keys()])],
      getOwnPropertyDescriptor: (_target, name) => {
        const found = Reflect.getOwnPropertyDescriptor(real, name);
        if (!found && !own.has(name)) return undefined;
        return {
          value: get(name),
          enumerable: found?.enumerable ?? true,
          configurable: true,
          writable: true,
        };
      },
      getPrototypeOf: () => Reflect.getPrototypeOf(real),
    },
  );
  return guarded;
}

import { AddressInUse, ListenError } from "../ports.ts";

/** What the system says, by the code that both runtimes pass on. @source errno(3) */
const STATES: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: "this machine has no such address",
  EACCES: "the system does not allow it; ports below 1024 are the administrator's",
};

/** Says in our words why nobody can listen there; an error of another kind stays as it is. */
export function listenFailure(
  cause: unknown,
  { hostname, port }: { readonly hostname: string; readonly port: number },
): unknown {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const cannot = `Cannot listen on "${hostname}" port ${port}`;
  if (code === "EADDRINUSE") return new AddressInUse(`${cannot}: it is in use`, { cause });
  const state = Object.hasOwn(STATES, code) ? STATES[code] : undefined;
  return state === undefined ? cause : new ListenError(`${cannot}: ${state}`, { cause });
}

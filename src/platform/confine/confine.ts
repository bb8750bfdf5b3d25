import process from "node:process";

import { messageOf } from "../../contract/errors.ts";
import type { Confinement, Held } from "../../ports.ts";
import { denoHeld } from "./deno.ts";
import { confineByKernel } from "./linux.ts";

/**
 * From here on this process may do no more than that, with all its threads. Once, in a process of plugins
 * before any of them is loaded.
 *
 * On Linux the program is started anew on the way, in the same process, with the same arguments, environment
 * and open pipes: the first start never gets an answer, the second one gets it at once. So the confinement
 * comes with the arguments, and nothing is read of standard input before. What is to be written below
 * `/proc/self` is written before as well.
 *
 * @returns what is kept back, and by whom; for what nothing keeps back, why. Nothing for what is granted
 */
export async function confine(confinement: Confinement): Promise<readonly Held[]> {
  if ("Deno" in globalThis) return denoHeld(confinement);
  if (process.platform !== "linux")
    return notHeld(confinement, `by nothing: there is no way on ${process.platform} yet`);
  try {
    return confineByKernel(confinement);
  } catch (error) {
    return notHeld(confinement, `by nothing: ${messageOf(error)}`);
  }
}

function notHeld({ network, exec }: Confinement, by: string): Held[] {
  const kept: Held["capability"][] = ["files"];
  if (!network) kept.push("network");
  if (!exec) kept.push("exec");
  return kept.map((capability) => ({ capability, by, isHeld: false }));
}

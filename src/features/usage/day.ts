/** The day that usage is counted under: `YYYY-MM-DD`, UTC. @param ms since 1970 */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

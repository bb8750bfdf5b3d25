/** What a person should know about a model besides its name. */
export function modelNote(model: string): string {
  return model === "echo/echo" ? ", which only repeats what it is told: set agents.defaults.model" : "";
}

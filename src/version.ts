import manifest from "../package.json" with { type: "json" };

/** Written once, in the manifest. */
export const VERSION: string = manifest.version;

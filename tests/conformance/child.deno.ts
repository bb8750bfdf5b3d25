import { createDenoPlatform } from "../../src/platform/deno.ts";
import { runChild } from "./child.ts";

await runChild(createDenoPlatform());

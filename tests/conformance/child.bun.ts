import { createBunPlatform } from "../../src/platform/bun.ts";
import { runChild } from "./child.ts";

await runChild(createBunPlatform());

import { definePlugin } from "../../../src/plugins/api.ts";

// oxlint-disable-next-line import/no-default-export -- how a plugin's module says what it is
export default definePlugin({ id: "other", apiVersion: 1, start: () => ({ handlers: {} }) });

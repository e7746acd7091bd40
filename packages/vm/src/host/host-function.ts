// What a chapter of host calls is: a table of functions bound to one VM, by import name.

/** An imported function. Arguments come as the engine hands them over: i32 signed, i64 as bigint. */
// biome-ignore lint/suspicious/noExplicitAny: every chapter has its own parameters; the module's type decides.
export type HostFunction = (...args: any[]) => number | undefined;
export type HostFunctions = Readonly<Record<string, HostFunction>>;

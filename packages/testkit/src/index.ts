// Entry of @dragoman/testkit.
export { leb, ModuleBuilder, op, signedLeb, type TypeText } from './wasm/module-builder.ts';
export { PUPPET_MODULE, Puppet, type PuppetFunction, type PuppetInstance, type PuppetOptions } from './wasm/puppet.ts';

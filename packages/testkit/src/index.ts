// Entry of @dragoman/testkit.
export { type GatewayExit, type GatewayOptions, GatewayProcess } from './gateway/gateway-process.ts';
export { type GrpcScript, GrpcServer, GrpcServerCall, grpcFrame } from './net/grpc-server.ts';
export { RawConnection, type RawMessage } from './net/raw-connection.ts';
export { type ConnectionScript, ScriptedServer } from './net/scripted-server.ts';
export { StoppedClock } from './stopped-clock.ts';
export { leb, ModuleBuilder, op, signedLeb, type TypeText } from './wasm/module-builder.ts';
export {
  PUPPET_MODULE,
  Puppet,
  type PuppetFunction,
  type PuppetInstance,
  type PuppetOptions,
} from './wasm/puppet.ts';

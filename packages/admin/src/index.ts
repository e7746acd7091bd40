// Entry of @dragoman/admin.
export { AdminServer, type AdminServerOptions, type AnsweredRequest } from './admin-server.ts';
export type {
  AddressView,
  AdminActions,
  AdminContext,
  CertificateDetails,
  CertificateView,
  ClusterView,
  ConfigDumpView,
  DrainOptions,
  Dumped,
  DynamicDumped,
  DynamicListenerView,
  HostView,
  ListenerView,
  LoggerRegistry,
  OutlierView,
  RuntimeLayer,
  RuntimeView,
  ServerState,
  ThresholdsView,
} from './context.ts';
export { DEFAULT_COMMAND_LINE_OPTIONS } from './pages/server.ts';
export {
  defineServerStats,
  type MainThreadSlots,
  ServerStats,
  type ServerStatsOptions,
  type ServerStatus,
} from './server-stats.ts';

// Where wasi_unstable, the older of WASI's two names, lays out or numbers things in another way than preview 1.

export interface WasiLayout {
  /** Of fd_seek. */
  readonly whence: { readonly set: number; readonly current: number; readonly end: number };
  /** Offsets in `filestat`, and its size. */
  readonly filestat: {
    readonly bytes: number;
    readonly links: number;
    readonly linksBytes: 4 | 8;
    readonly size: number;
  };
}

export const PREVIEW1: WasiLayout = {
  whence: { set: 0, current: 1, end: 2 },
  filestat: { bytes: 64, links: 24, linksBytes: 8, size: 32 },
};

export const UNSTABLE: WasiLayout = {
  whence: { set: 2, current: 0, end: 1 },
  filestat: { bytes: 56, links: 20, linksBytes: 4, size: 24 },
};

// Configurations of nginx (as upstream, as proxy, as proxy with Lua) and of HAProxy, for one worker each and with
// the same work per request as the bare Dragoman: keep-alive on both sides, no access log.
import path from 'node:path';
import { addedHeader, responseBody } from './workload.ts';

function nginxFile(folder: string, modules: string, http: string): string {
  return `
${modules}
daemon off;
worker_processes 1;
error_log stderr error;
pid ${path.join(folder, 'nginx.pid')};
events { worker_connections 16384; }
http {
  access_log off;
  client_body_temp_path ${folder};
  proxy_temp_path ${folder};
  fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder};
  scgi_temp_path ${folder};
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  tcp_nodelay on;
${http}
}
`;
}

/** An upstream that answers everything with the benchmark's body. */
export function nginxUpstream(folder: string, port: number): string {
  const body = responseBody.replaceAll('\n', '\\n');
  return nginxFile(
    folder,
    '',
    `  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / { default_type text/plain; return 200 "${body}"; }
  }`,
  );
}

/** What a proxy's Lua does: nothing, add a header each way, or what the plugin c-heavy does. */
export type LuaWork = 'none' | 'header' | 'heavy';

const luaFilters: Record<LuaWork, string> = {
  none: '',
  header: `
      rewrite_by_lua_block { ngx.req.set_header("${addedHeader.name}", "${addedHeader.value}") }
      header_filter_by_lua_block { ngx.header["${addedHeader.name}"] = "${addedHeader.value}" }`,
  // Names and values are made once, as in the plugin.
  heavy: `
      rewrite_by_lua_block {
        local heavy = package.loaded.heavy
        if not heavy then
          heavy = { keys = {}, values = {}, variables = {} }
          for i = 0, 19 do
            heavy.keys[i + 1] = string.format("x-heavy-%02d", i)
            heavy.values[i + 1] = string.format("value-%02d", i)
            heavy.variables[i + 1] = string.format("http_x_heavy_%02d", i)
          end
          package.loaded.heavy = heavy
        end
        local keys, values, variables, unchanged = heavy.keys, heavy.values, heavy.variables, 0
        for i = 1, 20 do ngx.req.set_header(keys[i], values[i]) end
        for i = 1, 20 do
          if ngx.var[variables[i]] == values[i] then unchanged = unchanged + 1 end
        end
        for i = 1, 20 do ngx.req.clear_header(keys[i]) end
        ngx.ctx.unchanged = unchanged
      }
      header_filter_by_lua_block { ngx.header["x-heavy"] = ngx.ctx.unchanged }`,
};

/** A proxy; `modules` are the load_module lines its Lua needs. */
export function nginxProxy(
  folder: string,
  ports: { listener: number; upstream: number },
  lua: LuaWork,
  modules: string,
): string {
  return nginxFile(
    folder,
    modules,
    `  upstream backend {
    server 127.0.0.1:${ports.upstream};
    keepalive 512;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
  }
  server {
    listen 127.0.0.1:${ports.listener} backlog=4096;
    location / {${luaFilters[lua]}
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }`,
  );
}

export function haproxyProxy(ports: { listener: number; upstream: number }): string {
  return `
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 3600s
  timeout server 3600s
  option http-keep-alive
  http-reuse always
frontend benchmark
  bind 127.0.0.1:${ports.listener}
  default_backend upstream
backend upstream
  server upstream 127.0.0.1:${ports.upstream}
`;
}

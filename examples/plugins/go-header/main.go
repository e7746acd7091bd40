// Command go-header is a Proxy-Wasm plugin that keeps a service token fresh
// and shows it on every response.
//
// On each tick the plugin sends GET /auth to a cluster and remembers the
// `authorization` header of the answer. Every HTTP response that passes the
// filter then gets two headers:
//
//	x-wasm-filter: hello from wasm
//	x-auth: <token>            (empty until the first answer has come)
//
// Plugin configuration (JSON, every field optional):
//
//	{"tick_ms": 15000, "cluster": "my_custom_svc"}
package main

import (
	"bytes"
	"encoding/json"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

const authTimeoutMs = 5000

// main is never run: the module is a WASI reactor (-buildmode=c-shared), so
// registration happens in init.
func main() {}

func init() {
	proxywasm.SetVMContext(&vmContext{})
}

type vmContext struct {
	types.DefaultVMContext
}

func (*vmContext) NewPluginContext(uint32) types.PluginContext {
	return &pluginContext{}
}

type configuration struct {
	TickMs  uint32 `json:"tick_ms"`
	Cluster string `json:"cluster"`
}

// pluginContext lives as long as the plugin configuration does, once in every
// worker thread of the proxy.
type pluginContext struct {
	types.DefaultPluginContext
	config configuration
	token  string
}

func (p *pluginContext) OnPluginStart(int) types.OnPluginStartStatus {
	config, err := readConfiguration()
	if err != nil {
		proxywasm.LogCriticalf("plugin configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	if err := proxywasm.SetTickPeriodMilliSeconds(config.TickMs); err != nil {
		proxywasm.LogCriticalf("set tick period: %v", err)
		return types.OnPluginStartStatusFailed
	}
	p.config = config
	proxywasm.LogInfof("asking cluster %s for a token every %d ms", config.Cluster, config.TickMs)
	return types.OnPluginStartStatusOK
}

// readConfiguration returns the defaults overlaid with the plugin's JSON. The
// SDK reports a missing configuration as an error; here it means "defaults".
func readConfiguration() (configuration, error) {
	config := configuration{TickMs: 15000, Cluster: "my_custom_svc"}
	text, err := proxywasm.GetPluginConfiguration()
	if err != nil || len(bytes.TrimSpace(text)) == 0 {
		return config, nil
	}
	err = json.Unmarshal(text, &config)
	return config, err
}

func (p *pluginContext) OnTick() {
	headers := [][2]string{
		{":method", "GET"}, {":path", "/auth"}, {":authority", p.config.Cluster}, {"accept", "*/*"},
	}
	_, err := proxywasm.DispatchHttpCall(p.config.Cluster, headers, nil, nil, authTimeoutMs, p.onAuthResponse)
	if err != nil {
		proxywasm.LogErrorf("call to cluster %s: %v", p.config.Cluster, err)
	}
}

// onAuthResponse keeps the old token when the answer has none, for example
// because the service was down.
func (p *pluginContext) onAuthResponse(int, int, int) {
	headers, err := proxywasm.GetHttpCallResponseHeaders()
	if err != nil {
		proxywasm.LogErrorf("headers of the answer: %v", err)
		return
	}
	for _, header := range headers {
		if header[0] == "authorization" {
			p.token = header[1]
			return
		}
	}
	proxywasm.LogWarnf("no token in the answer of cluster %s", p.config.Cluster)
}

func (p *pluginContext) NewHttpContext(uint32) types.HttpContext {
	return &httpContext{plugin: p}
}

// httpContext lives as long as one request.
type httpContext struct {
	types.DefaultHttpContext
	plugin *pluginContext
}

func (h *httpContext) OnHttpResponseHeaders(int, bool) types.Action {
	if err := proxywasm.AddHttpResponseHeader("x-wasm-filter", "hello from wasm"); err != nil {
		proxywasm.LogErrorf("add x-wasm-filter: %v", err)
	}
	if err := proxywasm.AddHttpResponseHeader("x-auth", h.plugin.token); err != nil {
		proxywasm.LogErrorf("add x-auth: %v", err)
	}
	return types.ActionContinue
}

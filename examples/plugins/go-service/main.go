// Command go-service is two Proxy-Wasm plugins in one module, which work
// together through shared data and a shared queue:
//
//   - root id "visits": an HTTP filter. Every request puts its path into the
//     queue "visits"; GET /visits/<path> is answered with how often <path> has
//     been asked for.
//   - root id "counter": a service without traffic (envoy.bootstrap.wasm,
//     singleton). It takes the paths out of the queue and keeps the counts in
//     shared data. There is one of it, so it needs no compare-and-set.
//
// Both must have the same vm_id: it is the namespace of data and queues.
package main

import (
	"errors"
	"strconv"
	"strings"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"
)

const (
	queueName   = "visits"
	counterRoot = "counter"
	askPrefix   = "/visits/"
)

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
	rootID, err := proxywasm.GetProperty([]string{"plugin_root_id"})
	if err == nil && string(rootID) == counterRoot {
		return &counterContext{}
	}
	return &visitsContext{}
}

// counterContext is the service: it hears of every item in the queue.
type counterContext struct {
	types.DefaultPluginContext
}

func (*counterContext) OnPluginStart(int) types.OnPluginStartStatus {
	if _, err := proxywasm.RegisterSharedQueue(queueName); err != nil {
		proxywasm.LogCriticalf("register queue %s: %v", queueName, err)
		return types.OnPluginStartStatusFailed
	}
	proxywasm.LogInfof("counting what comes through the queue %s", queueName)
	return types.OnPluginStartStatusOK
}

func (*counterContext) OnQueueReady(queue uint32) {
	path, err := proxywasm.DequeueSharedQueue(queue)
	if err != nil {
		if !errors.Is(err, types.ErrorStatusEmpty) {
			proxywasm.LogErrorf("take from queue %s: %v", queueName, err)
		}
		return
	}
	count := visitsOf(string(path)) + 1
	text := []byte(strconv.Itoa(count))
	if err := proxywasm.SetSharedData(string(path), text, 0); err != nil {
		proxywasm.LogErrorf("keep the count of %s: %v", path, err)
	}
}

// visitsOf returns 0 for a path nobody has counted yet.
func visitsOf(path string) int {
	text, _, err := proxywasm.GetSharedData(path)
	if err != nil {
		return 0
	}
	count, _ := strconv.Atoi(string(text))
	return count
}

// visitsContext is the filter, once in every worker thread of the proxy.
type visitsContext struct {
	types.DefaultPluginContext
}

func (*visitsContext) NewHttpContext(uint32) types.HttpContext {
	return &visitContext{}
}

type visitContext struct {
	types.DefaultHttpContext
}

func (*visitContext) OnHttpRequestHeaders(int, bool) types.Action {
	path, err := proxywasm.GetHttpRequestHeader(":path")
	if err != nil {
		return types.ActionContinue
	}
	if asked, found := strings.CutPrefix(path, askPrefix); found {
		answer := []byte(strconv.Itoa(visitsOf("/"+asked)) + "\n")
		headers := [][2]string{{"content-type", "text/plain"}}
		if err := proxywasm.SendHttpResponse(200, headers, answer, -1); err != nil {
			proxywasm.LogErrorf("answer %s: %v", path, err)
			return types.ActionContinue
		}
		return types.ActionPause
	}
	enqueue(path)
	return types.ActionContinue
}

// enqueue resolves the queue anew for each request: the service may register
// it after this plugin has started.
func enqueue(path string) {
	queue, err := proxywasm.ResolveSharedQueue("", queueName)
	if err == nil {
		err = proxywasm.EnqueueSharedQueue(queue, []byte(path))
	}
	if err != nil {
		proxywasm.LogWarnf("%s is not counted: %v", path, err)
	}
}

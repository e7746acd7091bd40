//! rust-header: adds one header to every request and one to every response.
//!
//! ```text
//! x-rust-header: <value>      both ways
//! ```
//!
//! The value is the plugin configuration without the white space around it (a block in YAML
//! ends with a newline), `rust-header` where there is no configuration.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

const NAME: &str = "x-rust-header";

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(HeaderRoot { value: Rc::from("rust-header") }));
}}

/// Lives as long as the plugin configuration does, once in every worker thread.
struct HeaderRoot {
    value: Rc<str>,
}

impl Context for HeaderRoot {}

impl RootContext for HeaderRoot {
    fn on_configure(&mut self, _configuration_size: usize) -> bool {
        let Some(bytes) = self.get_plugin_configuration() else {
            return true;
        };
        match str::from_utf8(&bytes) {
            Ok(value) => self.value = Rc::from(value.trim()),
            Err(_) => return false,
        }
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(HeaderStream { value: Rc::clone(&self.value) }))
    }
}

/// Lives as long as one request.
struct HeaderStream {
    value: Rc<str>,
}

impl Context for HeaderStream {}

impl HttpContext for HeaderStream {
    fn on_http_request_headers(&mut self, _header_count: usize, _end_of_stream: bool) -> Action {
        self.add_http_request_header(NAME, &self.value);
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _header_count: usize, _end_of_stream: bool) -> Action {
        self.add_http_response_header(NAME, &self.value);
        Action::Continue
    }
}

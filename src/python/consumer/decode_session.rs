//! Decodes many messages in one session. If no code of the program runs in between, the decoder's caches are taken once
//! and the cycle collector is paused.

use pyo3::prelude::*;

use crate::json;
use crate::kafka::Fetched;
use crate::python::gc::GcPaused;
use crate::python::message::Message;

use super::decode::Decoder;
use super::decode_error::MessageError;

pub struct DecodeSession<'a, 'py> {
    py: Python<'py>,
    decoder: &'a Decoder,
    /// None if the decoder runs code of the program.
    texts: Option<json::ValueDecoder<'py>>,
    pause: Option<GcPaused<'py>>,
}

impl<'a, 'py> DecodeSession<'a, 'py> {
    /// Starts a session of about `count` messages.
    pub fn begin(py: Python<'py>, decoder: &'a Decoder, count: usize) -> PyResult<Self> {
        if !decoder.is_plain() {
            return Ok(DecodeSession { py, decoder, texts: None, pause: None });
        }
        let pause = GcPaused::for_messages(py, count)?;
        let texts = json::ValueDecoder::new(py);
        let texts = if pause.as_ref().is_some_and(GcPaused::should_untrack) { texts.untracked() } else { texts };
        Ok(DecodeSession { py, decoder, texts: Some(texts), pause })
    }

    #[inline]
    pub fn message(&mut self, incoming: &Fetched) -> Result<Message, Box<MessageError>> {
        match &mut self.texts {
            Some(texts) => self.decoder.message_in(self.py, texts, incoming),
            None => self.decoder.message(self.py, incoming),
        }
    }

    /// Ends the session: from now on the cycle collector tracks what was decoded.
    pub fn end(self) {
        let untracked = self.texts.and_then(json::ValueDecoder::finish);
        if let (Some(pause), Some(untracked)) = (self.pause, untracked) {
            pause.finish(untracked);
        }
    }
}

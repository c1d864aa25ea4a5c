//! Good messages decoded one after the other, with what that saves where no code of the user's runs in between: the codec's
//! room is entered once, and Python's collector held off.

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
    /// Unless the decoder has code of the user's.
    texts: Option<json::ValueDecoder<'py>>,
    pause: Option<GcPaused<'py>>,
}

impl<'a, 'py> DecodeSession<'a, 'py> {
    /// Of about `count` messages.
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

    /// What has been made is the program's from now on.
    pub fn end(self) {
        let untracked = self.texts.and_then(json::ValueDecoder::finish);
        if let (Some(pause), Some(untracked)) = (self.pause, untracked) {
            pause.finish(untracked);
        }
    }
}

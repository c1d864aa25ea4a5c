//! The Python names: each function parses its arguments, calls one engine and hands back.

pub mod codec;
pub mod codec_error;

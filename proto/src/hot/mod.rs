//! The few messages of which there are a hundred thousand a second, read and written without the copies that the generated code
//! makes. What is written here is byte for byte what the generated code writes; what is read here is read the same by it, and
//! what has any other form than the plain one is left to it.

mod codec;
mod fields;
mod link;
mod session;

pub use codec::BytesCodec;
pub use link::{ProposeCall, put_call};
pub use session::{AckFrame, SendFrame, ack, read_ack, read_send, send};

//! The generated code, nested as its packages are, since it refers to itself by relative paths.

#![allow(clippy::all, clippy::pedantic, missing_docs, unreachable_pub, rustdoc::all)]

pub mod google {
    pub mod rpc {
        include!("gen/google.rpc.rs");
    }
}

pub mod hansard {
    pub mod v1 {
        include!("gen/hansard.v1.rs");
    }

    pub mod cluster {
        pub mod v1 {
            include!("gen/hansard.cluster.v1.rs");
        }
    }
}

//! The items of Apache Arrow that kadsim uses, under the paths that they have in the crate `arrow`.
//!
//! That crate also depends on kernels of arithmetic, comparison of rows and regular expressions. kadsim calls none of
//! them, and they would be a tenth of what a build from nothing compiles.

/// Arrays, their builders, and batches of them.
pub mod array {
    pub use arrow_array::builder::*;
    pub use arrow_array::cast::AsArray;
    pub use arrow_array::*;
}

/// Memory of arrays.
pub mod buffer {
    pub use arrow_buffer::ScalarBuffer;
}

/// Kernels over arrays.
pub mod compute {
    pub use arrow_cast::cast::cast;
    pub use arrow_select::concat::concat_batches;
}

/// Types and schemas.
pub mod datatypes {
    pub use arrow_array::ArrowPrimitiveType;
    pub use arrow_array::types::*;
    pub use arrow_buffer::ArrowNativeType;
    pub use arrow_schema::*;
}

/// Errors of arrays and kernels.
pub mod error {
    pub use arrow_schema::ArrowError;
}

/// Columns of the same length under a schema.
pub mod record_batch {
    pub use arrow_array::RecordBatch;
}

//! Declaration of an output table: its columns, and the methods that all tables have.

/// Declares a table: its name, what a row is, the order of rows, the type that writes it, the type of a row, and the
/// columns. A column is one line, `name: Type, "unit", "meaning" = value;`, where `value` is an expression over the row. The
/// unit `"1"` means none. Columns after `@living` are in the tables of living runs alone; see
/// [`RunInfo::living`](crate::record::RunInfo::living).
macro_rules! table {
    (
        $table:literal, $about:literal, $order:literal;
        $writer:ident;
        $row:ident: $row_type:ty $(, $more:ident: $more_type:ty)*;
        $($name:ident: $column:ty, $unit:literal, $meaning:literal = $value:expr;)+
        $(@living $($lname:ident: $lcolumn:ty, $lunit:literal, $lmeaning:literal = $lvalue:expr;)+)?
    ) => {
        /// Description of the table.
        pub const TABLE: $crate::record::Table = $crate::record::Table {
            name: $table,
            about: $about,
            order: $order,
            schema: <Batch as $crate::record::column::Columns>::schema,
        };

        #[doc = concat!("Writes `", $table, ".parquet`.")]
        pub struct $writer($crate::record::batches::Batches<Batch>);

        impl $writer {
            /// Returns the CPU time that encoding rows has taken so far; zero where the operating system does not measure
            /// it.
            pub fn encoding(&self) -> ::std::time::Duration {
                self.0.encoding()
            }

            /// Closes the file and returns its number of rows; see
            /// [`TableWriter::finish`](crate::record::writer::TableWriter::finish).
            ///
            /// # Errors
            /// The file could not be closed, or rows are missing from it.
            pub fn finish(self, complete: bool) -> Result<u64, $crate::record::RecordError> {
                self.0.finish(complete)
            }
        }

        #[derive(Default)]
        pub(super) struct Batch {
            $($name: $column,)+
            $($($lname: $lcolumn,)+)?
            /// Whether the columns of living runs are filled.
            is_living: bool,
        }

        impl Batch {
            /// Appends a row.
            #[inline]
            fn push(&mut self, $row: $row_type $(, $more: $more_type)*) {
                $(self.$name.push($value);)+
                $(if self.is_living {
                    $(self.$lname.push($lvalue);)+
                })?
            }
        }

        impl $crate::record::column::Columns for Batch {
            fn schema() -> ::arrow::datatypes::Schema {
                ::arrow::datatypes::Schema::new(vec![
                    $($crate::record::column::field::<$column>(
                        stringify!($name), $unit, $meaning),)+
                    $($($crate::record::column::living_field::<$lcolumn>(
                        stringify!($lname), $lunit, concat!($lmeaning, "; in living runs")),)+)?
                ])
            }

            fn set_living(&mut self, is_living: bool) {
                self.is_living = is_living;
            }

            fn take(&mut self) -> Result<Vec<::arrow::array::ArrayRef>, ::arrow::error::ArrowError> {
                use $crate::record::column::Column as _;
                let mut columns = vec![$(self.$name.take()?,)+];
                if self.is_living {
                    columns.extend([$($(self.$lname.take()?,)+)?] as [::arrow::array::ArrayRef; _]);
                }
                Ok(columns)
            }
        }
    };
}
pub(super) use table;

//! Columns that are filled row by row and taken as Arrow arrays.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanBuilder, DictionaryArray, Int32Array, Int64Builder, ListBuilder,
    PrimitiveArray, PrimitiveBuilder, StringArray,
};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, Float64Type, Int32Type, Schema};
use arrow::error::ArrowError;

use super::writer::BATCH_ROWS;

/// One column of the batch that is being filled.
pub(super) trait Column {
    /// Whether a value may be null.
    const NULLABLE: bool;
    /// Returns the Arrow type of the column.
    fn data_type() -> DataType;
    /// Removes and returns the values pushed so far.
    ///
    /// # Errors
    /// The index of a label has no name.
    fn take(&mut self) -> Result<ArrayRef, ArrowError>;
}

/// The columns of a table, in order. The macro `table!` implements it.
pub(super) trait Columns: Default {
    /// Returns names, types, units and meanings.
    fn schema() -> Schema;
    /// Sets whether the columns of living runs are filled.
    fn set_living(&mut self, is_living: bool);
    /// Removes and returns the batch filled so far.
    fn take(&mut self) -> Result<Vec<ArrayRef>, ArrowError>;
}

/// Returns the Arrow field of a column, with unit and meaning as metadata.
pub(super) fn field<C: Column>(name: &str, unit: &str, description: &str) -> Field {
    let metadata = [("unit", unit), ("description", description)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
    Field::new(name, C::data_type(), C::NULLABLE).with_metadata(HashMap::from(metadata))
}

/// Metadata key of the fields that tables of living runs alone have.
const LIVING: &str = "living";

/// Returns the Arrow field of a column that tables of living runs alone have.
pub(super) fn living_field<C: Column>(name: &str, unit: &str, description: &str) -> Field {
    let mut field = field::<C>(name, unit, description);
    let mut metadata = field.metadata().clone();
    metadata.insert(LIVING.to_owned(), true.to_string());
    field.set_metadata(metadata);
    field
}

/// Returns the schema of a table of a run.
pub(super) fn schema_of(all: &Schema, is_living: bool) -> Schema {
    let fields = all.fields().iter();
    let kept = fields.filter(|field| is_living || !field.metadata().contains_key(LIVING));
    Schema::new(kept.cloned().collect::<Vec<_>>())
}

/// Converts microseconds to float milliseconds.
#[inline]
fn to_ms(us: u64) -> f64 {
    us as f64 / 1000.0
}

/// Numbers that are never null.
pub(super) struct Number<T: ArrowPrimitiveType>(Vec<T::Native>);

impl<T: ArrowPrimitiveType> Default for Number<T> {
    fn default() -> Self {
        Number(Vec::new())
    }
}

impl<T: ArrowPrimitiveType> Number<T> {
    #[inline]
    pub(super) fn push(&mut self, value: T::Native) {
        self.0.push(value);
    }
}

impl<T: ArrowPrimitiveType> Column for Number<T> {
    const NULLABLE: bool = false;

    fn data_type() -> DataType {
        T::DATA_TYPE
    }

    fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        let values = std::mem::replace(&mut self.0, Vec::with_capacity(BATCH_ROWS));
        let array = PrimitiveArray::<T>::try_new(ScalarBuffer::from(values), None)?;
        Ok(Arc::new(array))
    }
}

/// Numbers that may be null.
pub(super) struct Optional<T: ArrowPrimitiveType>(PrimitiveBuilder<T>);

impl<T: ArrowPrimitiveType> Default for Optional<T> {
    fn default() -> Self {
        Optional(PrimitiveBuilder::new())
    }
}

impl<T: ArrowPrimitiveType> Optional<T> {
    #[inline]
    pub(super) fn push(&mut self, value: Option<T::Native>) {
        self.0.append_option(value);
    }
}

impl<T: ArrowPrimitiveType> Column for Optional<T> {
    const NULLABLE: bool = true;

    fn data_type() -> DataType {
        T::DATA_TYPE
    }

    fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.0.finish()))
    }
}

/// Times and delays that are never null: microseconds in rows, float milliseconds in files.
#[derive(Default)]
pub(super) struct Millis(Number<Float64Type>);

impl Millis {
    #[inline]
    pub(super) fn push(&mut self, us: u64) {
        self.0.push(to_ms(us));
    }
}

impl Column for Millis {
    const NULLABLE: bool = false;

    fn data_type() -> DataType {
        DataType::Float64
    }

    fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        self.0.take()
    }
}

/// Times and delays that may be null: microseconds in rows, float milliseconds in files.
#[derive(Default)]
pub(super) struct OptionalMillis(Optional<Float64Type>);

impl OptionalMillis {
    #[inline]
    pub(super) fn push(&mut self, us: Option<u64>) {
        self.0.push(us.map(to_ms));
    }
}

impl Column for OptionalMillis {
    const NULLABLE: bool = true;

    fn data_type() -> DataType {
        DataType::Float64
    }

    fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        self.0.take()
    }
}

/// Booleans, which may be null if `NULLABLE`.
#[derive(Default)]
pub(super) struct Flag<const NULLABLE: bool>(BooleanBuilder);

impl Flag<false> {
    #[inline]
    pub(super) fn push(&mut self, value: bool) {
        self.0.append_value(value);
    }
}

impl Flag<true> {
    #[inline]
    pub(super) fn push(&mut self, value: Option<bool>) {
        self.0.append_option(value);
    }
}

impl<const NULLABLE: bool> Column for Flag<NULLABLE> {
    const NULLABLE: bool = NULLABLE;

    fn data_type() -> DataType {
        DataType::Boolean
    }

    fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.0.finish()))
    }
}

/// Strings of a fixed list of names, never null: dictionary-encoded, a category in pandas.
///
/// Indices are 32 bits wide, because readers that merge the dictionaries of several row groups overflow narrower ones.
pub(super) struct Label {
    names: Arc<StringArray>,
    indices: Vec<i32>,
}

impl Default for Label {
    fn default() -> Self {
        Label::new::<&str>([])
    }
}

impl Label {
    /// Returns an empty column of these names.
    pub(super) fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        Label {
            names: Arc::new(StringArray::from_iter_values(names)),
            indices: Vec::new(),
        }
    }

    /// Appends the index of a name. [`Column::take`] fails if the list has no such name.
    #[inline]
    pub(super) fn push(&mut self, index: u32) {
        self.indices.push(i32::try_from(index).unwrap_or(i32::MAX));
    }
}

impl Column for Label {
    const NULLABLE: bool = false;

    fn data_type() -> DataType {
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
    }

    fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        let indices = std::mem::replace(&mut self.indices, Vec::with_capacity(BATCH_ROWS));
        let names = Arc::clone(&self.names);
        let array = DictionaryArray::<Int32Type>::try_new(Int32Array::from(indices), names)?;
        Ok(Arc::new(array))
    }
}

/// Strings of a list to which new names are added, never null. A push searches the whole list, so this is for few rows.
#[derive(Default)]
pub(super) struct Name(Label);

impl Name {
    /// Appends a name.
    pub(super) fn push(&mut self, name: &str) {
        let names = &mut self.0.names;
        let known = (0..names.len()).find(|&i| names.value(i) == name);
        let index = known.unwrap_or_else(|| {
            let all: Vec<&str> = names.iter().flatten().chain([name]).collect();
            *names = Arc::new(StringArray::from(all));
            names.len() - 1
        });
        self.0
            .indices
            .push(i32::try_from(index).unwrap_or(i32::MAX));
    }
}

impl Column for Name {
    const NULLABLE: bool = false;

    fn data_type() -> DataType {
        Label::data_type()
    }

    fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        self.0.take()
    }
}

/// Strings of a fixed list of names, as in [`Label`], that may be null.
#[derive(Default)]
pub(super) struct OptionalLabel {
    names: Option<Arc<StringArray>>,
    indices: Vec<Option<i32>>,
}

impl OptionalLabel {
    /// Returns an empty column of these names. Without names, all values must be null.
    pub(super) fn new(names: Option<Arc<StringArray>>) -> Self {
        OptionalLabel {
            names,
            indices: Vec::new(),
        }
    }

    /// Appends the index of a name. [`Column::take`] fails if the list has no such name.
    #[inline]
    pub(super) fn push(&mut self, index: Option<u32>) {
        let index = index.map(|index| i32::try_from(index).unwrap_or(i32::MAX));
        self.indices.push(index);
    }
}

impl Column for OptionalLabel {
    const NULLABLE: bool = true;

    fn data_type() -> DataType {
        Label::data_type()
    }

    fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        let indices = std::mem::replace(&mut self.indices, Vec::with_capacity(BATCH_ROWS));
        let names = match &self.names {
            Some(names) => Arc::clone(names),
            None => Arc::new(StringArray::new_null(0)),
        };
        let array = DictionaryArray::<Int32Type>::try_new(Int32Array::from(indices), names)?;
        Ok(Arc::new(array))
    }
}

/// Lists of node ids that may be null.
pub(super) struct Ids {
    lists: ListBuilder<Int64Builder>,
    ids: usize,
}

impl Default for Ids {
    fn default() -> Self {
        Ids {
            lists: ListBuilder::new(Int64Builder::new()).with_field(Ids::element()),
            ids: 0,
        }
    }
}

impl Ids {
    fn element() -> Field {
        Field::new("element", DataType::Int64, false)
    }

    #[inline]
    pub(super) fn push(&mut self, ids: Option<&[i64]>) {
        if let Some(ids) = ids {
            self.lists.values().append_slice(ids);
            self.ids += ids.len();
        }
        self.lists.append(ids.is_some());
    }

    /// Returns the number of ids in the batch that is being filled.
    pub(super) fn len(&self) -> usize {
        self.ids
    }
}

impl Column for Ids {
    const NULLABLE: bool = true;

    fn data_type() -> DataType {
        DataType::List(Arc::new(Ids::element()))
    }

    fn take(&mut self) -> Result<ArrayRef, ArrowError> {
        self.ids = 0;
        Ok(Arc::new(self.lists.finish()))
    }
}

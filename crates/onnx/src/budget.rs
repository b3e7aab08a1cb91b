//! A bound on the memory that decoding takes. A message of two bytes becomes a structure of hundreds, so a small file
//! could decode to a hundred times its size; this pass over the wire format counts the structures before any is made.
//!
//! Scalars are not counted: a packed number takes at most eight times its bytes, and tensors declare theirs.

use crate::proto;
use prost::bytes::Buf;
use prost::encoding::{WireType, decode_key, decode_varint};
use std::mem::size_of;

/// Bytes of structures that any model may have, whatever its size.
const FLOOR: usize = 64 << 20;
/// Beside that, bytes of structures for each byte of the model.
const FACTOR: usize = 10;
/// A growing list is copied into one twice as large: three of its bytes stand for one that is used.
const GROWTH: usize = 3;
/// Deepest nesting; the decoder has the same bound.
const DEPTH: usize = 100;

/// A message type: the bytes of its structure, and its fields that hold messages or strings.
struct Kind {
    bytes: usize,
    fields: &'static [(u32, &'static Kind)],
}

const fn kind<T>(fields: &'static [(u32, &'static Kind)]) -> Kind {
    Kind { bytes: size_of::<T>(), fields }
}

static TEXT: Kind = kind::<String>(&[]);
static SMALL: Kind = kind::<proto::StringStringEntryProto>(&[]);
static DIM: Kind = kind::<proto::DimensionProto>(&[]);
static SHAPE: Kind = kind::<proto::TensorShapeProto>(&[(1, &DIM)]);
static TENSOR_TYPE: Kind = kind::<proto::TensorTypeProto>(&[(2, &SHAPE)]);
static TYPE: Kind = kind::<proto::TypeProto>(&[(1, &TENSOR_TYPE)]);
static VALUE: Kind = kind::<proto::ValueInfoProto>(&[(2, &TYPE)]);
static TENSOR: Kind = kind::<proto::TensorProto>(&[(6, &TEXT), (13, &SMALL)]);
static SPARSE: Kind = kind::<proto::SparseTensorProto>(&[(1, &TENSOR), (2, &TENSOR)]);
static ATTRIBUTE: Kind = kind::<proto::AttributeProto>(&[(5, &TENSOR), (6, &GRAPH), (22, &SPARSE), (9, &TEXT)]);
static NODE: Kind = kind::<proto::NodeProto>(&[(1, &TEXT), (2, &TEXT), (5, &ATTRIBUTE)]);
static GRAPH: Kind = kind::<proto::GraphProto>(&[(1, &NODE), (5, &TENSOR), (15, &SPARSE), (11, &VALUE), (12, &VALUE)]);
static FUNCTION: Kind =
    kind::<proto::FunctionProto>(&[(4, &TEXT), (5, &TEXT), (6, &TEXT), (11, &ATTRIBUTE), (7, &NODE), (9, &SMALL)]);
static MODEL: Kind = kind::<proto::ModelProto>(&[(8, &SMALL), (7, &GRAPH), (25, &FUNCTION)]);

/// Whether a model's structures stand in proportion to its bytes. Where it is damaged, what stands before the damage
/// is counted: the decoder says what is wrong.
pub fn check(model: &[u8]) -> Result<(), String> {
    let most = FLOOR.saturating_add(model.len().saturating_mul(FACTOR));
    let mut left = Some(most / GROWTH);
    count(&MODEL, model, 0, &mut left);
    match left {
        Some(_) => Ok(()),
        None => {
            Err(format!("its {} bytes would decode to more than {} MiB of empty messages", model.len(), most >> 20))
        }
    }
}

/// Takes the structures inside a message from what is `left`; `None` where it is not enough.
fn count(kind: &Kind, mut bytes: &[u8], depth: usize, left: &mut Option<usize>) {
    while left.is_some() && bytes.has_remaining() {
        let Ok((field, wire)) = decode_key(&mut bytes) else { return };
        let length = match wire {
            WireType::Varint => {
                if decode_varint(&mut bytes).is_err() {
                    return;
                }
                continue;
            }
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            WireType::LengthDelimited => match decode_varint(&mut bytes) {
                Ok(length) => length,
                Err(_) => return,
            },
            // Groups are of an old protobuf; ONNX has none, and the decoder keeps nothing of them.
            WireType::StartGroup | WireType::EndGroup => continue,
        };
        let Some((content, rest)) = usize::try_from(length).ok().and_then(|n| bytes.split_at_checked(n)) else {
            return;
        };
        bytes = rest;
        if wire == WireType::LengthDelimited
            && let Some((_, inner)) = kind.fields.iter().find(|(number, _)| *number == field)
        {
            *left = left.and_then(|n| n.checked_sub(inner.bytes));
            if depth < DEPTH {
                count(inner, content, depth + 1, left);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `fields` nested around `count` empty messages of the last field.
    fn nested(fields: &[u8], count: usize) -> Vec<u8> {
        let Some((last, outer)) = fields.split_last() else { return vec![] };
        let mut bytes = [last << 3 | 2, 0].repeat(count);
        for field in outer.iter().rev() {
            let mut message = vec![field << 3 | 2];
            prost::encoding::encode_varint(bytes.len() as u64, &mut message);
            message.append(&mut bytes);
            bytes = message;
        }
        bytes
    }

    #[test]
    fn many_empty_messages_are_refused() {
        for fields in [&[7, 1][..], &[7, 5], &[7, 11], &[7, 1, 5], &[7, 1, 1], &[7, 11, 2, 1, 2, 1]] {
            assert!(check(&nested(fields, 1 << 22)).is_err(), "{fields:?}");
            assert_eq!(check(&nested(fields, 1 << 10)), Ok(()));
        }
        assert!(check(&nested(&[7, 1, 5], 1 << 19)).is_err());
        let deep = [&[7u8][..], &[1, 5, 6].repeat(200)].concat();
        assert_eq!(check(&nested(&deep, 1)), Ok(()));
    }

    #[test]
    fn weights_are_not_taken_for_messages() {
        let mut model = vec![7 << 3 | 2];
        let mut tensor = vec![9 << 3 | 2];
        prost::encoding::encode_varint(1 << 20, &mut tensor);
        tensor.extend(vec![0x0a; 1 << 20]);
        let mut graph = vec![5 << 3 | 2];
        prost::encoding::encode_varint(tensor.len() as u64, &mut graph);
        graph.append(&mut tensor);
        prost::encoding::encode_varint(graph.len() as u64, &mut model);
        model.append(&mut graph);
        assert_eq!(check(&model), Ok(()));
        assert!(check(&model[..model.len() / 2]).is_ok(), "damage is the decoder's to report");
    }
}

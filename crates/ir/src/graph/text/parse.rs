//! Parsing. Nothing is allocated beyond what the text itself takes, but for constants made from seeds, whose bytes are
//! bounded together.

use super::cursor::Cursor;
use super::{ParseError, attributes, constants};
use crate::graph::{Candidate, Graph, Output, TensorType, ValueId};
use cnnc_tensor::{DType, Layout, Scalar, Tensor};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Reads what [`Display`](std::fmt::Display) of a graph printed. The graph is not verified.
pub fn parse_graph(text: &str) -> Result<Graph, ParseError> {
    Parser::default().graph(text)
}

/// Reads what [`print_with_constants`](super::print_with_constants) printed.
pub fn parse_graph_with(text: &str, folder: &Path) -> Result<Graph, ParseError> {
    Parser { folder: Some(folder), ..Parser::default() }.graph(text)
}

/// Reads what [`Display`](std::fmt::Display) of a candidate printed.
pub fn parse_candidate(text: &str) -> Result<Candidate, String> {
    let mut cursor = Cursor::new(text);
    let parsed = candidate(&mut cursor)?;
    cursor.done().map(|()| parsed)
}

#[derive(Default)]
struct Parser<'a> {
    folder: Option<&'a Path>,
    graph: Graph,
    ids: HashMap<u32, ValueId>,
    seeded_bytes: usize,
}

/// The left side of a statement: one result.
struct Definition {
    id: u32,
    name: Option<String>,
    ty: Option<TensorType>,
}

impl Parser<'_> {
    fn graph(mut self, text: &str) -> Result<Graph, ParseError> {
        let (mut opened, mut closed, mut last) = (false, false, 1);
        for (k, line) in text.lines().enumerate() {
            let mut cursor = Cursor::new(line);
            last = k + 1;
            if cursor.is_done() {
                continue;
            }
            let parsed = match (opened, closed) {
                (false, _) => self.header(&mut cursor).map(|()| opened = true),
                (true, false) if cursor.take("}") => {
                    closed = true;
                    Ok(())
                }
                (true, false) => self.statement(&mut cursor),
                (true, true) => Err("text behind the graph's closing brace".to_string()),
            };
            parsed.and_then(|()| cursor.done()).map_err(|what| ParseError { line: k + 1, what })?;
        }
        match (opened, closed) {
            (true, true) => Ok(self.graph),
            (true, false) => Err(ParseError { line: last, what: "the graph has no closing brace".to_string() }),
            _ => Err(ParseError { line: last, what: "expected a graph".to_string() }),
        }
    }

    fn header(&mut self, cursor: &mut Cursor) -> Result<(), String> {
        cursor.expect("graph")?;
        self.graph.name = cursor.quoted()?.unwrap_or_default();
        cursor.expect("{")
    }

    fn statement(&mut self, cursor: &mut Cursor) -> Result<(), String> {
        if !cursor.sees("%") {
            return self.output(cursor);
        }
        let mut definitions = vec![self.definition(cursor)?];
        while cursor.take(",") {
            definitions.push(self.definition(cursor)?);
        }
        cursor.expect("=")?;
        match cursor.some_word("an operator")? {
            word @ ("input" | "const" | "param") => {
                let single: Result<[Definition; 1], _> = definitions.try_into();
                let [definition] = single.map_err(|_| format!("{word} defines one value"))?;
                self.leaf(word, definition, cursor)
            }
            name => self.node(name, definitions, cursor),
        }
    }

    fn output(&mut self, cursor: &mut Cursor) -> Result<(), String> {
        cursor.expect("output")?;
        let name = cursor.quoted()?.unwrap_or_default();
        let value = self.value(cursor)?;
        let extent = if cursor.take("extent") { Some(self.value(cursor)?) } else { None };
        self.graph.outputs.push(Output { name, value, extent });
        Ok(())
    }

    fn definition(&mut self, cursor: &mut Cursor) -> Result<Definition, String> {
        cursor.expect("%")?;
        let id = cursor.number("value number")?;
        let name = cursor.quoted()?;
        let ty = if cursor.take(":") { Some(tensor_type(cursor)?) } else { None };
        Ok(Definition { id, name, ty })
    }

    /// A value that is already defined.
    fn value(&mut self, cursor: &mut Cursor) -> Result<ValueId, String> {
        cursor.expect("%")?;
        let id = cursor.number("value number")?;
        self.ids.get(&id).copied().ok_or_else(|| format!("%{id} is not defined before its use"))
    }

    fn define(&mut self, definition: Definition, value: ValueId) -> Result<(), String> {
        if let Some(name) = &definition.name {
            self.graph.set_name(value, name);
        }
        match self.ids.insert(definition.id, value) {
            None => Ok(()),
            Some(_) => Err(format!("%{} is defined twice", definition.id)),
        }
    }

    fn leaf(&mut self, word: &str, definition: Definition, cursor: &mut Cursor) -> Result<(), String> {
        let ty = definition.ty.clone().ok_or_else(|| format!("{word} needs a type"))?;
        let value = match word {
            "input" => self.graph.add_input(definition.name.as_deref().unwrap_or(""), ty),
            "const" => {
                let tensor = self.content(&ty, cursor)?;
                self.graph.add_const(None, tensor)
            }
            _ => {
                let tensor = self.content(&ty, cursor)?;
                self.graph.add_param(None, tensor)
            }
        };
        self.define(definition, value)
    }

    fn content(&mut self, ty: &TensorType, cursor: &mut Cursor) -> Result<Tensor, String> {
        if cursor.take("@") {
            return constants::load(ty, cursor.word(), self.folder);
        }
        if cursor.take("seed") {
            cursor.expect("=")?;
            let seed = cursor.number("seed")?;
            self.seeded_bytes = self.seeded_bytes.saturating_add(ty.bytes().saturating_add(64));
            if self.seeded_bytes > constants::MAX_SEEDED_BYTES {
                return Err(format!("seeded constants take more than {} bytes", constants::MAX_SEEDED_BYTES));
            }
            return constants::seeded(ty, seed);
        }
        let mut bytes = Vec::new();
        cursor.expect("{")?;
        while !cursor.take("}") {
            if !bytes.is_empty() {
                cursor.expect(",")?;
            }
            let text = cursor.raw_value();
            let element = Scalar::parse(ty.dtype, text).ok_or_else(|| format!("{text:?} is no {}", ty.dtype))?;
            bytes.extend_from_slice(&element.bits().to_le_bytes()[..ty.dtype.size()]);
        }
        Tensor::from_bytes(ty.dtype, &ty.dims, ty.layout, &bytes).map_err(|e| e.to_string())
    }

    fn node(&mut self, name: &str, definitions: Vec<Definition>, cursor: &mut Cursor) -> Result<(), String> {
        let mut inputs = Vec::new();
        if cursor.sees("%") {
            inputs.push(self.value(cursor)?);
            while cursor.take(",") {
                inputs.push(self.value(cursor)?);
            }
        }
        let op = attributes::parse(name, cursor)?;
        let candidate = if cursor.take("@") { Some(candidate(cursor)?) } else { None };
        let node_name = cursor.quoted()?.unwrap_or_default();
        let types: Option<Vec<TensorType>> = definitions.iter().map(|d| d.ty.clone()).collect();
        let types = match types {
            Some(types) => types,
            None => {
                let operands: Vec<&TensorType> = inputs.iter().map(|&v| self.graph.ty(v)).collect();
                crate::graph::infer(&op, &operands).map_err(|e| e.to_string())?
            }
        };
        if types.len() != definitions.len() {
            return Err(format!("{name} has {} results, {} are defined", types.len(), definitions.len()));
        }
        let results = self.graph.add_typed(&node_name, op, &inputs, types, candidate);
        definitions.into_iter().zip(results).try_for_each(|(definition, value)| self.define(definition, value))
    }
}

fn tensor_type(cursor: &mut Cursor) -> Result<TensorType, String> {
    let word = cursor.some_word("an element type")?;
    let dtype = DType::from_name(word).ok_or_else(|| format!("no element type {word}"))?;
    let mut dims = Vec::new();
    cursor.expect("[")?;
    while !cursor.take("]") {
        if !dims.is_empty() {
            cursor.expect(",")?;
        }
        dims.push(cursor.number("dim")?);
    }
    let mut layout = Layout::Plain;
    if cursor.take("/") {
        let word = cursor.word();
        layout = Layout::parse(word).ok_or_else(|| format!("no layout {word:?}"))?;
    }
    Ok(TensorType { dtype, dims, layout })
}

fn candidate(cursor: &mut Cursor) -> Result<Candidate, String> {
    let algorithm = cursor.some_word("an algorithm")?.to_string();
    let mut params = BTreeMap::new();
    cursor.expect("(")?;
    while !cursor.take(")") {
        if !params.is_empty() {
            cursor.expect(",")?;
        }
        let key = cursor.some_word("a parameter")?.to_string();
        cursor.expect("=")?;
        params.insert(key, cursor.number("parameter")?);
    }
    Ok(Candidate { algorithm, params })
}

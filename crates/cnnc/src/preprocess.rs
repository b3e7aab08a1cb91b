//! Images as inputs: the preprocessing that a model was trained with, as a short text.
//!
//! `crop=0.875,size=224,filter=bicubic,mean=127,std=128`. Steps are taken in this order, whatever the order in the text:
//!
//! | key | meaning | default |
//! |---|---|---|
//! | `crop=F` | the centred square whose side is F of the image's shorter side, rounded down | the whole image |
//! | `size=N` or `size=HxW` | resize to it | the height and width of the model's input |
//! | `filter=` | `nearest`, `bilinear`, `bicubic`, `lanczos`; all but nearest smooth when they shrink | `bilinear` |
//! | `order=` | channels: `rgb`, `bgr`, `gray` | `rgb` |
//! | `mean=M`, `std=S` | `(x - M) / S` with x from 0 to 255; one number, or one per channel as `123.7/116.3/103.5` | 0, 1 |
//! | `layout=` | `nchw`, `nhwc` | what fits the model's input |

use crate::CliError;
use cnnc_tensor::{DType, Tensor};
use image::imageops::FilterType;
use image::{DynamicImage, ImageReader};
use std::path::Path;
use std::str::FromStr;

/// How an image becomes a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    crop: Option<f64>,
    size: Option<(u32, u32)>,
    filter: FilterType,
    order: Order,
    mean: Vec<f64>,
    std: Vec<f64>,
    layout: Option<ImageLayout>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Rgb,
    Bgr,
    Gray,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum ImageLayout {
    Nchw,
    Nhwc,
}

impl Default for Preprocess {
    fn default() -> Preprocess {
        let (mean, std) = (vec![0.0], vec![1.0]);
        Preprocess { crop: None, size: None, filter: FilterType::Triangle, order: Order::Rgb, mean, std, layout: None }
    }
}

impl FromStr for Preprocess {
    type Err = String;

    fn from_str(text: &str) -> Result<Preprocess, String> {
        let mut spec = Preprocess::default();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(|| format!("`{part}` is not of the form key=value"))?;
            let wrong = || format!("`{value}` is no value of {key}");
            match key {
                "crop" => spec.crop = Some(value.parse().ok().filter(|f| *f > 0.0 && *f <= 1.0).ok_or_else(wrong)?),
                "size" => spec.size = Some(size(value).ok_or_else(wrong)?),
                "filter" => {
                    spec.filter = match value {
                        "nearest" => FilterType::Nearest,
                        "bilinear" => FilterType::Triangle,
                        "bicubic" => FilterType::CatmullRom,
                        "lanczos" => FilterType::Lanczos3,
                        _ => return Err(wrong()),
                    }
                }
                "order" => {
                    spec.order = match value {
                        "rgb" => Order::Rgb,
                        "bgr" => Order::Bgr,
                        "gray" => Order::Gray,
                        _ => return Err(wrong()),
                    }
                }
                "mean" => spec.mean = numbers(value).ok_or_else(wrong)?,
                "std" => spec.std = numbers(value).filter(|n| n.iter().all(|s| *s != 0.0)).ok_or_else(wrong)?,
                "layout" => {
                    spec.layout = Some(match value {
                        "nchw" => ImageLayout::Nchw,
                        "nhwc" => ImageLayout::Nhwc,
                        _ => return Err(wrong()),
                    })
                }
                _ => {
                    return Err(format!("unknown key `{key}`: crop, size, filter, mean, std, order, layout are known"));
                }
            }
        }
        let channels = spec.channels();
        if [&spec.mean, &spec.std].iter().any(|list| list.len() != 1 && list.len() != channels) {
            return Err(format!("mean and std need 1 or {channels} numbers, separated by /"));
        }
        Ok(spec)
    }
}

fn size(text: &str) -> Option<(u32, u32)> {
    let (height, width) = text.split_once('x').unwrap_or((text, text));
    let dim = |t: &str| t.parse().ok().filter(|n| (1..=1 << 16).contains(n));
    Some((dim(height)?, dim(width)?))
}

fn numbers(text: &str) -> Option<Vec<f64>> {
    text.split('/').map(|n| n.parse().ok().filter(|x: &f64| x.is_finite())).collect()
}

impl Preprocess {
    fn channels(&self) -> usize {
        if self.order == Order::Gray { 1 } else { 3 }
    }

    /// Reads an image as a tensor `[1, C, H, W]` or `[1, H, W, C]` of a type, for an input with those dims as far as
    /// they are known.
    pub fn read(&self, path: &Path, dtype: DType, wanted: Option<&[Option<usize>]>) -> Result<Tensor, CliError> {
        let failed = |what: String| CliError::File { path: path.to_path_buf(), what };
        let unreadable = |source| CliError::Read { path: path.to_path_buf(), source };
        let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format).map_err(unreadable)?;
        if reader.format().is_none() {
            return Err(failed("neither .npy nor an image (PNG, JPEG)".into()));
        }
        let image = reader.decode().map_err(|e| failed(format!("not a readable image: {e}")))?;
        self.tensor(image, dtype, wanted).map_err(failed)
    }

    fn tensor(&self, image: DynamicImage, dtype: DType, wanted: Option<&[Option<usize>]>) -> Result<Tensor, String> {
        let channels = self.channels();
        let layout = self.layout.unwrap_or_else(|| match wanted {
            Some([_, c, _, last]) if *last == Some(channels) && *c != Some(channels) => ImageLayout::Nhwc,
            _ => ImageLayout::Nchw,
        });
        let declared = match (wanted, layout) {
            (Some([_, _, h, w]), ImageLayout::Nchw) | (Some([_, h, w, _]), ImageLayout::Nhwc) => (*h, *w),
            _ => (None, None),
        };
        let cropped = self.crop(image);
        let (height, width) = match (self.size, declared) {
            (Some(size), _) => size,
            (None, (Some(h), Some(w))) => (fit(h)?, fit(w)?),
            (None, _) => (cropped.height(), cropped.width()),
        };
        let resized = cropped.resize_exact(width, height, self.filter);
        let pixels = match self.order {
            Order::Gray => resized.to_luma8().into_raw(),
            Order::Rgb | Order::Bgr => resized.to_rgb8().into_raw(),
        };
        let area = height as usize * width as usize;
        let value = |pixel: usize, channel: usize| {
            let from = if self.order == Order::Bgr { channels - 1 - channel } else { channel };
            let per = |list: &[f64]| list[if list.len() == 1 { 0 } else { channel }];
            (f64::from(pixels[pixel * channels + from]) - per(&self.mean)) / per(&self.std)
        };
        let (height, width) = (height as usize, width as usize);
        let (dims, values): (_, Vec<f64>) = match layout {
            ImageLayout::Nchw => {
                ([1, channels, height, width], (0..channels * area).map(|k| value(k % area, k / area)).collect())
            }
            ImageLayout::Nhwc => {
                let values = (0..channels * area).map(|k| value(k / channels, k % channels));
                ([1, height, width, channels], values.collect())
            }
        };
        Tensor::from_f64(dtype, &dims, &values).map_err(|e| e.to_string())
    }

    fn crop(&self, image: DynamicImage) -> DynamicImage {
        let Some(fraction) = self.crop else { return image };
        let (width, height) = (image.width(), image.height());
        let side = ((f64::from(width.min(height)) * fraction).floor() as u32).max(1);
        image.crop_imm((width - side) / 2, (height - side) / 2, side, side)
    }
}

fn fit(dim: usize) -> Result<u32, String> {
    u32::try_from(dim).ok().filter(|d| (1..=1 << 16).contains(d)).ok_or_else(|| format!("cannot resize to {dim}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(width: u32, height: u32) -> DynamicImage {
        DynamicImage::ImageRgb8(image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 7])))
    }

    #[test]
    fn steps_are_taken_as_stated() {
        let spec: Preprocess = "crop=0.5,size=2x4,filter=nearest,mean=1/2/3,std=2,order=bgr".parse().unwrap();
        // The centred square of 8 by 8 starts at (4, 4); nearest picks the middle of each cell.
        let tensor = spec.tensor(gradient(16, 16), DType::F32, None).unwrap();
        assert_eq!(tensor.dims(), [1, 3, 2, 4]);
        let values = tensor.to_f64_vec();
        assert!(values[..8].iter().all(|&b| b == 3.0), "blue comes first: (7 - 1) / 2");
        assert_eq!(
            values[8..16].iter().map(|g| g * 2.0 + 2.0).collect::<Vec<_>>(),
            [6.0, 6., 6., 6., 10., 10., 10., 10.]
        );
        assert_eq!(values[16..20].iter().map(|r| r * 2.0 + 3.0).collect::<Vec<_>>(), [5.0, 7.0, 9.0, 11.0]);
    }

    #[test]
    fn the_models_input_gives_size_and_layout() {
        let spec = Preprocess::default();
        let known = |dims: [usize; 4]| dims.map(Some);
        let nhwc = spec.tensor(gradient(8, 8), DType::U8, Some(&known([1, 4, 6, 3]))).unwrap();
        assert_eq!(nhwc.dims(), [1, 4, 6, 3]);
        assert_eq!(nhwc.to_i64_vec()[2], 7);
        let free = spec.tensor(gradient(8, 5), DType::F32, Some(&[None, Some(3), None, None])).unwrap();
        assert_eq!(free.dims(), [1, 3, 5, 8]);
    }

    #[test]
    fn wrong_texts_are_refused() {
        for text in ["crop", "crop=2", "size=0", "size=3x", "mean=a", "std=0", "mean=1/2", "order=hsv", "zoom=1"] {
            assert!(text.parse::<Preprocess>().is_err(), "{text}");
        }
        assert_eq!("".parse(), Ok(Preprocess::default()));
    }
}

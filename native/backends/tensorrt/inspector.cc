#include "backends/tensorrt/inspector.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <map>
#include <utility>

#include "core/error.h"

namespace edge::tensorrt {
namespace {

// Reads the values that it is asked for from JSON, and skips others. After what is no JSON there is nothing any more:
// an engine may come from anywhere, and the names in it are whatever somebody wrote.
class Json {
 public:
  explicit Json(std::string_view text) : text_(text) {}

  // The first character of the next value or mark; 0: nothing is left.
  char next() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  // A string, or else empty, and whatever it is is skipped.
  std::string text() {
    if (next() != '"') {
      skip();
      return {};
    }
    ++at_;
    std::string value;
    while (at_ < text_.size() && text_[at_] != '"') {
      const char c = text_[at_++];
      if (c == '\\') {
        unescape(value);
      } else {
        value += c;
      }
    }
    if (at_ == text_.size()) return fail(), std::string();
    ++at_;
    return value;
  }

  // Calls `member(key)` for each member, which has to take the value. Nothing is called where it is no object.
  template <typename Member>
  void object(Member&& member) {
    list('{', '}', [&] {
      if (next() != '"') return fail();
      const std::string key = text();
      if (next() != ':') return fail();
      ++at_;
      member(key);
    });
  }

  // The same for an array: `item()` has to take it.
  template <typename Item>
  void array(Item&& item) {
    list('[', ']', std::forward<Item>(item));
  }

  void skip() {
    switch (next()) {
      case '"':
        text();
        break;
      case '{':
        object([this](const std::string&) { skip(); });
        break;
      case '[':
        array([this] { skip(); });
        break;
      default:
        scalar();
    }
  }

 private:
  static constexpr int kDeepest = 32;

  void fail() { at_ = text_.size(); }

  template <typename Element>
  void list(char open, char close, Element&& element) {
    if (next() != open) return skip();
    if (++depth_ > kDeepest) return fail();
    ++at_;
    for (bool first = true; next() != close; first = false) {
      if (!first && next() != ',') return fail();
      if (!first) ++at_;
      if (next() == '\0') return fail();
      element();
    }
    ++at_;
    --depth_;
  }

  // A number, true, false or null.
  void scalar() {
    const size_t begin = at_;
    const auto belongs = [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '+' || c == '.';
    };
    while (at_ < text_.size() && belongs(text_[at_])) ++at_;
    if (at_ == begin) fail();
  }

  // Behind the backslash.
  void unescape(std::string& value) {
    if (at_ == text_.size()) return;
    const char c = text_[at_++];
    if (c == 'u') return unescape_number(value);
    constexpr std::string_view kLetters = "bfnrt", kMeanings = "\b\f\n\r\t";
    const size_t letter = kLetters.find(c);
    value += letter == std::string_view::npos ? c : kMeanings[letter];
  }

  // Behind "\u". Of a pair, which characters beyond the first 65,536 are written as, each half becomes a '?'.
  void unescape_number(std::string& value) {
    unsigned code = 0;
    for (int i = 0; i < 4; ++i) {
      if (at_ == text_.size() || std::isxdigit(static_cast<unsigned char>(text_[at_])) == 0) return fail();
      const auto digit = static_cast<unsigned char>(text_[at_++]);
      code = code * 16 + static_cast<unsigned>(std::isdigit(digit) != 0 ? digit - '0' : std::tolower(digit) - 'a' + 10);
    }
    const auto put = [&](unsigned byte) { value += static_cast<char>(byte); };
    if (code < 0x80) return put(code);
    if (code >= 0xd800 && code < 0xe000) return put('?');
    if (code < 0x800) {
      put(0xc0 | code >> 6);
    } else {
      put(0xe0 | code >> 12);
      put(0x80 | (code >> 6 & 0x3f));
    }
    put(0x80 | (code & 0x3f));
  }

  const std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
};

// The contract's type in words like "Row major linear FP16 format", "Half" or "Thirty-two wide channel vectorized row
// major Int8 format"; empty where there is none, as with open shapes.
std::string precision_in(const std::string& words) {
  static constexpr std::pair<std::string_view, const char*> kTypes[] = {
      {"fp32", "f32"}, {"float", "f32"}, {"fp16", "f16"},  {"half", "f16"},  {"bf16", "bf16"}, {"bfloat16", "bf16"},
      {"int8", "i8"},  {"uint8", "u8"},  {"int32", "i32"}, {"int64", "i64"}, {"bool", "bool"}};
  std::string word;
  for (size_t i = 0; i <= words.size(); ++i) {
    const auto c = static_cast<unsigned char>(i < words.size() ? words[i] : ' ');
    if (std::isalnum(c) != 0) {
      word += static_cast<char>(std::tolower(c));
      continue;
    }
    for (const auto& [name, type] : kTypes) {
      if (word == name) return type;
    }
    word.clear();
  }
  return {};
}

}  // namespace

LayerInfo parse_layer(std::string_view json) {
  LayerInfo layer;
  Json reader(json);
  if (reader.next() == '"') {
    layer.name = reader.text();
    return layer;
  }
  std::string weights, output;
  reader.object([&](const std::string& key) {
    if (key == "Name") {
      layer.name = reader.text();
    } else if (key == "LayerType") {
      layer.type = reader.text();
    } else if (key == "TacticName") {
      layer.kernel = reader.text();
    } else if (key == "Weights") {
      reader.object([&](const std::string& of) { of == "Type" ? void(weights = reader.text()) : reader.skip(); });
    } else if (key == "Outputs") {
      reader.array([&] {
        reader.object([&](const std::string& of) {
          of == "Format/Datatype" && output.empty() ? void(output = reader.text()) : reader.skip();
        });
      });
    } else {
      reader.skip();
    }
  });
  // A convolution in int8 may well write f32.
  layer.precision = precision_in(weights);
  if (layer.precision.empty()) layer.precision = precision_in(output);
  return layer;
}

std::vector<LayerInfo> inspect(const Engine& engine, const std::string& id, const std::string& gpu) {
  std::vector<LayerInfo> layers;
  for (const std::string& text : engine.layer_texts()) {
    LayerInfo layer = parse_layer(text);
    // So a profiler is told of it where the engine was built without names.
    if (layer.name.empty()) layer.name = std::to_string(layers.size());
    // Of an engine for a DLA core the GPU computes what that cannot, which only the type tells.
    if (id == gpu || layer.type == "DLA") {
      layer.device = id;
    } else if (!layer.type.empty()) {
      layer.device = gpu;
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

namespace {

// The type of a layer that computes; empty for those that only move values or change their type, and where nothing is
// told.
std::string computes_in(const LayerInfo& layer) {
  static constexpr const char* kMovers[] = {"Reformat", "NoOp",   "Constant", "Shuffle", "Slice",
                                            "Cast",     "Gather", "Signal",   "Wait",    "Identity"};
  static constexpr const char* kTypes[] = {"f32", "f16", "bf16", "i8"};
  const auto is = [](const std::string& text) { return [&text](const char* one) { return text == one; }; };
  if (std::any_of(std::begin(kMovers), std::end(kMovers), is(layer.type))) return {};
  return std::any_of(std::begin(kTypes), std::end(kTypes), is(layer.precision)) ? layer.precision : std::string();
}

}  // namespace

std::string precision_of(const std::vector<LayerInfo>& layers) {
  std::map<std::string, size_t> counts;
  for (const LayerInfo& layer : layers) ++counts[computes_in(layer)];
  counts.erase("");
  std::vector<std::pair<std::string, size_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text;
  for (const auto& [type, count] : sorted) text += (text.empty() ? "" : "+") + type;
  return text;
}

void check_precision(const std::vector<LayerInfo>& layers, const std::string& asked) {
  if (asked.empty() || asked == "auto") return;
  size_t computing = 0, others = 0;
  std::string names;
  for (const LayerInfo& layer : layers) {
    const std::string type = computes_in(layer);
    if (type.empty()) continue;
    ++computing;
    if (type == asked) continue;
    constexpr size_t kEnough = 20;
    if (++others <= kEnough) names += (names.empty() ? "" : "\n") + layer.name + ": " + type;
  }
  if (others > 0) {
    throw Error(
        ErrorCode::kUnsupported,
        std::to_string(others) + " of " + std::to_string(computing) + " layers do not compute in " + asked + ".",
        "The cause names them. Without `strict` they are left as they are.", "tensorrt", names);
  }
  if (computing > 0) return;
  throw Error(ErrorCode::kUnsupported, "The engine does not tell in which precision its layers compute.",
              "Leave `strict` out, or fix the shapes with `shapes`: TensorRT tells it only where all are fixed.",
              "tensorrt");
}

}  // namespace edge::tensorrt

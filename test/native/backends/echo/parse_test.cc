// The echo model's text: every statement, and texts that are wrong.
#include "backends/echo/parse.h"

#include <gtest/gtest.h>

#include "../../support/recorder.h"

namespace edge::echo {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

Program read(const std::string& text, const Settings& settings = {}) { return parse("echo 1\n" + text, settings); }

std::optional<ErrorCode> refusal(const std::string& text, const Settings& settings = {}) {
  return test::code_of([&] { read(text, settings); });
}

TEST(EchoParseTest, InputsAndOutputs) {
  const Program program = read(
      "input a f32 1,3,?\n"
      "input \"odd name, 2\" i64 -\n"
      "output sum = add a 2.5\n"
      "output \"out put\" = identity \"odd name, 2\"\n"
      "output times = multiply a -3\n"
      "output where = nonzero a\n");
  ASSERT_EQ(program.inputs.size(), 2u);
  EXPECT_EQ(program.inputs[0].name, "a");
  EXPECT_EQ(program.inputs[0].dtype, Dtype::kF32);
  EXPECT_EQ(program.inputs[0].shape, (Shape{1, 3, -1}));
  EXPECT_EQ(program.inputs[1].name, "odd name, 2");
  EXPECT_EQ(program.inputs[1].dtype, Dtype::kI64);
  EXPECT_EQ(program.inputs[1].shape, Shape{});
  ASSERT_EQ(program.outputs.size(), 4u);
  ASSERT_EQ(program.rules.size(), 4u);
  EXPECT_EQ(program.rules[0].op, Op::kAdd);
  EXPECT_EQ(program.rules[0].number, 2.5);
  EXPECT_EQ(program.rules[0].input, 0u);
  EXPECT_EQ(program.outputs[0].shape, (Shape{1, 3, -1}));
  EXPECT_EQ(program.rules[1].op, Op::kIdentity);
  EXPECT_EQ(program.rules[1].input, 1u);
  EXPECT_EQ(program.outputs[1].name, "out put");
  EXPECT_EQ(program.outputs[1].dtype, Dtype::kI64);
  EXPECT_EQ(program.rules[2].op, Op::kMultiply);
  EXPECT_EQ(program.rules[2].number, -3);
  EXPECT_EQ(program.rules[3].op, Op::kNonZero);
  EXPECT_EQ(program.outputs[3].dtype, Dtype::kI64);
  EXPECT_EQ(program.outputs[3].shape, Shape{-1});
}

TEST(EchoParseTest, EveryDtype) {
  for (int i = 0; i <= static_cast<int>(Dtype::kBool); ++i) {
    const auto dtype = static_cast<Dtype>(i);
    EXPECT_EQ(read(std::string("input x ") + dtype_name(dtype) + " 2,2\n").inputs.at(0).dtype, dtype);
  }
}

TEST(EchoParseTest, EverySetting) {
  const Program program = read(
      "delay_ms 5\nspin_us 6\nload_ms 7\nfail_at 8 ERR_DEVICE_LOST\nhang_at 9\nstuck_at 10\nrefuse ERR_PERMISSION\n"
      "copy\noptimal 4\n");
  EXPECT_EQ(program.delay_ms, 5);
  EXPECT_EQ(program.spin_us, 6);
  EXPECT_EQ(program.load_ms, 7);
  EXPECT_EQ(program.fail_at, 8u);
  EXPECT_EQ(program.fail_code, ErrorCode::kDeviceLost);
  EXPECT_EQ(program.hang_at, 9u);
  EXPECT_EQ(program.stuck_at, 10u);
  EXPECT_EQ(program.refuse, ErrorCode::kPermission);
  EXPECT_TRUE(program.copy);
  EXPECT_EQ(program.optimal, 4u);
}

TEST(EchoParseTest, WhatIntegersStandFor) {
  const Program program = read(
      "input x u8 2,3\noutput y = identity x\noutput z = identity x\nquantized x - 0.5 128\n"
      "quantized y 1 0.25 -1 1e-3 0 3 7\n");
  ASSERT_TRUE(program.inputs.at(0).quantization);
  EXPECT_TRUE(*program.inputs[0].quantization == (Quantization{{0.5f}, {128}, -1}));
  ASSERT_TRUE(program.outputs.at(0).quantization);
  EXPECT_TRUE(*program.outputs[0].quantization == (Quantization{{0.25f, 1e-3f, 3}, {-1, 0, 7}, 1}));
  EXPECT_FALSE(program.outputs.at(1).quantization);
  for (const char* text : {"quantized", "quantized x", "quantized q - 1 0", "quantized x -", "quantized x - 1",
                           "quantized x - 1 0 1 0", "quantized x 0 1 0", "quantized x 2 1 0", "quantized x -1 1 0",
                           "quantized x a 1 0", "quantized x - one 0", "quantized x 0 1 0 2 x"}) {
    EXPECT_EQ(refusal(std::string("input x u8 2,3\n") + text), ErrorCode::kInvalidModel) << text;
  }
}

TEST(EchoParseTest, Defaults) {
  const Program program = read("");
  EXPECT_TRUE(program.inputs.empty());
  EXPECT_TRUE(program.outputs.empty());
  EXPECT_EQ(program.delay_ms + program.spin_us + program.load_ms, 0);
  EXPECT_EQ(program.fail_at + program.hang_at + program.stuck_at, 0u);
  EXPECT_FALSE(program.refuse);
  EXPECT_FALSE(program.copy);
  EXPECT_EQ(program.optimal, 1u);
}

TEST(EchoParseTest, SettingsWinOverTheText) {
  const Program program =
      read("delay_ms 5\nfail_at 1 ERR_BACKEND\n", {{"delay_ms", "9"}, {"fail_at", "2 ERR_TIMEOUT"}, {"copy", ""}});
  EXPECT_EQ(program.delay_ms, 9);
  EXPECT_EQ(program.fail_at, 2u);
  EXPECT_EQ(program.fail_code, ErrorCode::kTimeout);
  EXPECT_TRUE(program.copy);
  EXPECT_EQ(refusal("", {{"unknown", "1"}}), ErrorCode::kInvalidModel);
  EXPECT_EQ(refusal("", {{"delay_ms", "soon"}}), ErrorCode::kInvalidModel);
}

TEST(EchoParseTest, CommentsBlankLinesAndLineEnds) {
  const Program program = read("# all of it\n\n   \t\ninput x f32 2 # the end of it\r\ncopy\r\n  delay_ms   3");
  EXPECT_EQ(program.inputs.size(), 1u);
  EXPECT_EQ(program.inputs.at(0).shape, Shape{2});
  EXPECT_TRUE(program.copy);
  EXPECT_EQ(program.delay_ms, 3);
  EXPECT_FALSE(test::code_of([] { parse("echo 1\r\n", {}); }));
  EXPECT_FALSE(test::code_of([] { parse("echo 1", {}); }));
  EXPECT_FALSE(test::code_of([] { parse("echo 1 # comment\n", {}); }));
}

TEST(EchoParseTest, OtherTextsAreNoEchoModels) {
  for (const char* text : {"", "\n", "echo", "echo 2\n", "echo 10\n", "echo 1x\n", " echo 1\n", "\x08\x01\x12",
                           "ECHO 1", "<?xml version=\"1.0\"?>"}) {
    EXPECT_EQ(test::code_of([&] { parse(text, {}); }), ErrorCode::kInvalidModel) << text;
  }
}

TEST(EchoParseTest, WrongStatementsAreRefused) {
  for (const char* text : {
           "input",
           "input x",
           "input x f32",
           "input x f99 1",
           "input x f32 1,x",
           "input x f32 1,,2",
           "input x f32 ,1",
           "input x f32 -1",
           "input x f32 2,-3",
           "input x f32 3x",
           "input x f32 3.5",
           "input x f32 99999999999999999999",
           "input x f32 9223372036854775807",
           "input x f32 4294967296,4294967296",
           "input \"x f32 1",
           "output y",
           "output y = identity x",
           "input x f32 1\noutput y identity x",
           "input x f32 1\noutput y = add x",
           "input x f32 1\noutput y = add x three",
           "input x f32 1\noutput y = sub x 1",
           "input x f32 1\noutput y = identity X",
           "output y = identity x\ninput x f32 1",
           "delay_ms",
           "delay_ms -1",
           "delay_ms x",
           "delay_ms 99999999999999999999",
           "delay_ms 4294967297",
           "spin_us 9999999999",
           "fail_at 1",
           "fail_at 1 ERR_NOPE",
           "fail_at x ERR_BACKEND",
           "refuse",
           "refuse err_backend",
           "optimal -1",
           "hello",
           "DELAY_MS 1",
       }) {
    EXPECT_EQ(refusal(text), ErrorCode::kInvalidModel) << text;
  }
}

TEST(EchoParseTest, TheErrorNamesTheLine) {
  try {
    read("input x f32 2\ndelay_ms never\n");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("delay_ms never"), std::string::npos) << error.message();
    EXPECT_EQ(error.backend(), "echo");
    EXPECT_FALSE(error.remedy().empty());
  }
}

TEST(EchoParseTest, HostileTextsEndInAnErrorOrAModel) {
  uint32_t random = 1;
  const std::string alphabet = "inputoutput echofail_at \"\\#=,?-0123456789\n\n\r\t\0\xff" + std::string(1, '\0');
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (int i = 0; i < 80; ++i) {
      random = random * 1664525u + 1013904223u;
      text += alphabet[(random >> 8) % alphabet.size()];
    }
    const auto code = refusal(text);
    EXPECT_TRUE(!code || code == ErrorCode::kInvalidModel) << text;
  }
  EXPECT_EQ(refusal("input x f32 " + std::string(1 << 20, '9')), ErrorCode::kInvalidModel);
  EXPECT_EQ(refusal(std::string(1 << 20, 'x')), ErrorCode::kInvalidModel);
}

}  // namespace
}  // namespace edge::echo

// Loaded models as the segments of one.
#include "core/pipeline.h"

#include <napi.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "addon.h"
#include "model.h"
#include "values.h"

namespace edge::binding {
namespace {

// Staging buffers, and the accounts of all segments.
class PipelineMemory final : public Allocator {
 public:
  std::shared_ptr<Buffer> allocate(size_t size) override { return own_->allocate(size); }
  size_t bytes_held() const override {
    size_t bytes = own_->bytes_held();
    for (const auto& allocator : segments) bytes += allocator->bytes_held();
    return bytes;
  }
  std::vector<std::shared_ptr<Allocator>> segments;

 private:
  const std::shared_ptr<Allocator> own_ = make_host_allocator();
};

// startPipeline(models, names, options): they stay whole models of their own. Nothing blocks.
Napi::Value start_pipeline(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto models = info[0].As<Napi::Array>();
    const auto names = info[1].As<Napi::Array>();
    const auto memory = std::make_shared<PipelineMemory>();
    std::vector<PipelineSegment> segments;
    for (uint32_t i = 0; i < models.Length(); ++i) {
      const ModelWrap& model = *ModelWrap::Unwrap(models.Get(i).As<Napi::Object>());
      const std::shared_ptr<Session>& session = model.session();
      memory->segments.push_back(session->allocator());
      const std::shared_ptr<GroupModel> group = model.group();
      segments.push_back({names.Get(i).As<Napi::String>(), session->shared_model(), session->device(),
                          group ? group->allocator() : session->allocator(), session->options().in_flight});
    }
    LoadedModel loaded;
    std::shared_ptr<PipelineModel> pipeline = PipelineModel::create(std::move(segments));
    loaded.pipeline = pipeline;
    const DeviceInfo device = pipeline->device();
    loaded.session =
        Session::create(std::move(pipeline), device, to_session_options(info[2].As<Napi::Object>()), memory);
    return ModelWrap::create(*info.Env().GetInstanceData<Addon>(), loaded);
  });
}

}  // namespace

void define_pipelines(Napi::Env env, Napi::Object exports) {
  exports.Set("startPipeline", Napi::Function::New<start_pipeline>(env, "startPipeline"));
}

}  // namespace edge::binding

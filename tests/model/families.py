"""The families of networks that are tried: an example of each, and how many stages it is cut into."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sightx_cli.model.backbone import Backbone, build_network


@dataclass(frozen=True)
class Family:
    """A family: its name, a small network of it, the smallest size that this takes, and its number of stages."""

    title: str
    backbone: str
    size_px: int
    stages: int


CUT = (
    Family("BEiT", "beit_base_patch16_224", 32, 13),
    Family("BoTNet, other attention in residual blocks", "eca_botnext26ts_256", 64, 5),
    Family("CaiT", "cait_xxs24_224", 32, 25),
    Family("CoAtNet", "test_coatnet", 64, 5),
    Family("ConViT", "convit_tiny", 32, 13),
    Family("ConvFormer and CAFormer", "caformer_s18", 48, 5),
    Family("ConvMixer", "convmixer_768_32", 32, 33),
    Family("ConvNeXt", "test_convnext", 64, 5),
    Family("ConvNeXtV2", "convnextv2_atto", 64, 5),
    Family("CSATv2", "csatv2", 128, 5),
    Family("CSPNet and Darknet", "cs3darknet_focus_s", 48, 5),
    Family("DaViT", "davit_tiny", 48, 5),
    Family("DeiT", "deit_tiny_distilled_patch16_224", 32, 13),
    Family("DenseNet", "densenet121", 64, 5),
    Family("DLA", "dla46_c", 64, 7),
    Family("DPN", "dpn48b", 48, 5),
    Family("EdgeNeXt", "edgenext_xx_small", 64, 5),
    Family("EfficientFormer", "efficientformer_l1", 224, 5),
    Family("EfficientFormerV2", "efficientformerv2_s0", 64, 5),
    Family("EfficientNet", "test_efficientnet", 48, 6),
    Family("EfficientNetV2", "tf_efficientnetv2_b0", 48, 7),
    Family("EfficientViT (MIT)", "efficientvit_b0", 48, 5),
    Family("EfficientViT (Microsoft)", "efficientvit_m0", 96, 4),
    Family("EVA and EVA-02", "eva02_tiny_patch14_224", 112, 13),
    Family("FasterNet", "fasternet_t0", 64, 5),
    Family("FastViT and MobileCLIP", "fastvit_t8", 48, 5),
    Family("FocalNet", "focalnet_tiny_srf", 64, 5),
    Family("GC ViT", "gcvit_xxtiny", 64, 5),
    Family("GhostNet", "ghostnet_050", 48, 11),
    Family("HGNet and HGNetV2", "hgnetv2_b0", 48, 5),
    Family("Hiera", "hiera_tiny_224", 64, 13),
    Family("HRNet", "hrnet_w18_small", 64, 2),
    Family("Inception", "inception_v3", 112, 13),
    Family("InceptionNeXt", "inception_next_atto", 64, 5),
    Family("LeViT", "levit_128", 32, 4),
    Family("MambaOut", "test_mambaout", 48, 5),
    Family("MaxViT", "maxvit_rmlp_pico_rw_256", 48, 5),
    Family("MLP-Mixer and gMixer", "gmixer_12_224", 32, 13),
    Family("MobileNetV3", "mobilenetv3_small_050", 48, 7),
    Family("MobileNetV4", "mobilenetv4_conv_small_035", 48, 6),
    Family("MobileOne", "mobileone_s0", 48, 5),
    Family("MobileViT", "mobilevit_xxs", 48, 6),
    Family("MViTv2", "mvitv2_tiny", 64, 5),
    Family("NesT", "nest_tiny", 32, 4),
    Family("Next-ViT", "nextvit_small", 48, 5),
    Family("NFNet", "test_nfnet", 48, 5),
    Family("PoolFormer", "poolformer_s12", 48, 5),
    Family("PVTv2", "pvt_v2_b0", 64, 5),
    Family("RDNet", "rdnet_tiny", 64, 8),
    Family("RegNet", "regnetx_002", 48, 5),
    Family("RepGhost", "repghostnet_050", 48, 11),
    Family("RepVGG", "repvgg_a0", 48, 5),
    Family("RepViT", "repvit_m1", 48, 5),
    Family("Res2Net", "res2next50", 48, 5),
    Family("ResNeSt", "resnest14d", 48, 5),
    Family("ResNet", "test_resnet", 48, 5),
    Family("ResNeXt with squeeze and excitation", "seresnext26d_32x4d", 48, 5),
    Family("ResNetV2 and BiT", "resnetv2_18", 48, 5),
    Family("ReXNet", "rexnet_100", 48, 18),
    Family("SAM's image encoder", "samvit_base_patch16_224", 32, 13),
    Family("SAM 2's image encoder", "sam2_hiera_tiny", 64, 13),
    Family("SelecSLS", "selecsls42", 96, 2),
    Family("Sequencer", "sequencer2d_s", 32, 5),
    Family("SHViT", "shvit_s1", 96, 4),
    Family("SK-ResNet", "skresnet18", 48, 5),
    Family("StarNet", "starnet_s050", 48, 5),
    Family("SwiftFormer", "swiftformer_xs", 48, 5),
    Family("Swin", "swin_tiny_patch4_window7_224", 48, 5),
    Family("SwinV2", "swinv2_tiny_window8_256", 48, 5),
    Family("TinyViT", "tiny_vit_5m_224", 48, 5),
    Family("TResNet", "tresnet_m", 48, 5),
    Family("Twins", "twins_svt_small", 64, 5),
    Family("VGG", "vgg11_bn", 32, 5),
    Family("Vision transformer, DINOv2, SigLIP, CLIP", "test_vit", 32, 7),
    Family("Vision transformer of DINOv3", "vit_tiny_patch16_dinov3_qkvb", 32, 13),
    Family("Vision transformer with rotary positions", "vit_small_patch16_rope_224", 32, 13),
    Family("Visformer", "visformer_tiny", 64, 16),
    Family("ViTamin", "vitamin_small_224", 32, 15),
    Family("VOLO", "volo_d1_224", 32, 22),
    Family("VoVNet", "ese_vovnet19b_slim_dw", 64, 5),
    Family("Xception", "legacy_xception", 48, 14),
    Family("XCiT", "xcit_nano_12_p8_224", 32, 15),
)
"""Those that are cut between their stages."""

UNCUT = (
    Family("CoaT", "coat_tiny", 32, 18),
    Family("CrossViT", "crossvit_tiny_240", 240, 4),
    Family("EfficientViM", "efficientvim_m1", 32, 4),
    Family("PiT", "pit_ti_224", 32, 4),
    Family("TNT", "tnt_s_legacy_patch16_224", 32, 13),
)
"""Those that hand on more than one map: they are frozen whole or not at all."""

QUICK = ("eva02_tiny_patch14_224", "regnetx_002", "repvgg_a0", "test_convnext", "test_mambaout", "coat_tiny")
"""The examples that are tried each time."""


def open_family(family: Family, taps: str = "all") -> Backbone:
    """Open a family's example with random weights under which every layer counts.

    Scales that begin at zero, or near it, would hide what a layer does.
    """
    torch.manual_seed(0)
    network = build_network(family.backbone, family.size_px)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() == 0 or parameter.numel() == max(parameter.shape):
                parameter.add_(0.5 * torch.rand_like(parameter))
        network.train()(torch.randn(4, 3, family.size_px, family.size_px))
    return Backbone(network, taps, size_px=family.size_px).eval()

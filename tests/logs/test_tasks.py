"""Names of tasks, as lm-evaluation-harness 0.4.13 and lighteval 0.13 have them."""

from __future__ import annotations

import pytest

from hatstats.logs.task_names import FAMILIES, common_ids, read_task
from hatstats.study.languages.tags import is_english, is_language


@pytest.mark.parametrize(
    ("name", "benchmark", "language", "subset", "prompt"),
    [
        ("mgsm_direct_de", "mgsm_direct", "de", "", ""),
        ("mgsm_en_cot_sw", "mgsm_en_cot", "sw", "", ""),
        ("mgsm_native_cot_en", "mgsm_native_cot", "en", "", ""),
        ("lighteval|mgsm_eng|0", "mgsm", "eng", "", ""),
        ("mmlu_prox_af_computer_science", "mmlu_prox", "af", "computer_science", ""),
        ("mmlu_prox_lite_ne_law", "mmlu_prox_lite", "ne", "law", ""),
        ("global_mmlu_yo_social_sciences", "global_mmlu", "yo", "social_sciences", ""),
        ("global_mmlu_full_cs_anatomy", "global_mmlu_full", "cs", "anatomy", ""),
        ("global_mmlu_lite_ko", "global_mmlu_lite", "ko", "", ""),
        ("global_mmlu_all_eng_cf:abstract_algebra|0", "global_mmlu", "eng", "abstract_algebra", ""),
        ("belebele_arb_Latn", "belebele", "arb_Latn", "", ""),
        ("belebele_zho_Hans_mcf|0", "belebele", "zho_Hans", "", ""),
        ("xnli_ur", "xnli", "ur", "", ""),
        ("xcopa_qu", "xcopa", "qu", "", ""),
        ("xstorycloze_my", "xstorycloze", "my", "", ""),
        ("xstory_cloze_eng_mcf", "xstorycloze", "eng", "", ""),
        ("eclektic", "eclektic", "", "", ""),
        ("arc_eu", "m_arc", "eu", "", ""),
        ("hellaswag_kn", "m_hellaswag", "kn", "", ""),
        ("mlmm_hellaswag_deu_mcf", "m_hellaswag", "deu", "", ""),
        ("m_mmlu_nb", "m_mmlu", "nb", "", ""),
        ("afrimgsm_cot_yor_prompt_3", "afrimgsm_cot", "yor", "", "3"),
        ("afrimmlu_direct_amh_prompt_1", "afrimmlu_direct", "amh", "", "1"),
        ("afrixnli_en_direct_ewe", "afrixnli_en_direct", "ewe", "", ""),
        ("include_base_44_albanian_stem", "include_base", "albanian", "stem", ""),
        ("include_base_44_north_macedonian_few_shot_en_stem", "include_base", "macedonian",
         "stem", "en"),
        ("tiny_sums_de", "tiny_sums", "de", "", ""),
        ("foo-deu_Latn", "foo", "deu_Latn", "", ""),
        ("mmmlu_pt-br", "mmmlu", "pt-br", "", ""),
        ("truthfulqa_ar_mc1", "truthfulqa_mc1", "ar", "", ""),
        ("gsm8k", "gsm8k", "", "", ""),
        ("arc_challenge", "arc_challenge", "", "", ""),
        ("hellaswag", "hellaswag", "", "", ""),
    ],
)  # fmt: skip
def test_names(name: str, benchmark: str, language: str, subset: str, prompt: str) -> None:
    task = read_task(name)
    assert (task.benchmark, task.language, task.subset, task.prompt) == (
        benchmark, language, subset, prompt)  # fmt: skip


def test_the_families_that_people_use_are_declared() -> None:
    names = {family.benchmark for family in FAMILIES}
    assert names >= {
        "mgsm",
        "mmlu_prox",
        "global_mmlu",
        "belebele",
        "xnli",
        "xcopa",
        "xstorycloze",
        "eclektic",
        "m_arc",
        "m_hellaswag",
        "afrimgsm",
        "afrimmlu",
        "include",
    }
    assert all(0 <= family.chance < 1 for family in FAMILIES)


def test_codes() -> None:
    assert all(map(is_language, ("de", "deu", "deu_Latn", "pt-br", "German", "EN-US")))
    assert not any(map(is_language, ("", "xx", "stem", "english2", "law")))
    assert all(map(is_english, ("en", "eng", "eng_Latn", "EN-US", "English")))
    assert not any(map(is_english, ("", "de", "engine")))


def test_ids_of_translations_share_one_name() -> None:
    assert common_ids(["de_1", "de_2"], "de") == ["1", "2"]
    assert common_ids(["mgsm-de-1", "mgsm-de-2"], "de") == ["mgsm-1", "mgsm-2"]
    assert common_ids(["1", "2"], "de") == ["1", "2"]
    assert common_ids(["de_1", "x"], "de") == ["de_1", "x"]  # not all have it
    assert common_ids(["de_1", "1_de"], "de") == ["de_1", "1_de"]  # would be one name
    assert common_ids(["model_1", "node_2"], "de") == ["model_1", "node_2"]  # part of a word

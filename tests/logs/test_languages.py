"""Tags of languages: the evidence of a whole name comes before a syllable that is a code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hatstats
from hatstats.logs.task_names import alike_names, read_task
from hatstats.study.languages.tags import is_language, one_language, standard_tag
from tests.logs.cases import answers, cells, quiz, samples, truth

#: The 204 codes of FLORES-200 (NLLB Team, 2022).
FLORES = re.findall(
    r"\w+",
    """
ace_Arab ace_Latn acm_Arab acq_Arab aeb_Arab afr_Latn ajp_Arab aka_Latn amh_Ethi apc_Arab
arb_Arab arb_Latn ars_Arab ary_Arab arz_Arab asm_Beng ast_Latn awa_Deva ayr_Latn azb_Arab
azj_Latn bak_Cyrl bam_Latn ban_Latn bel_Cyrl bem_Latn ben_Beng bho_Deva bjn_Arab bjn_Latn
bod_Tibt bos_Latn bug_Latn bul_Cyrl cat_Latn ceb_Latn ces_Latn cjk_Latn ckb_Arab crh_Latn
cym_Latn dan_Latn deu_Latn dik_Latn dyu_Latn dzo_Tibt ell_Grek eng_Latn epo_Latn est_Latn
eus_Latn ewe_Latn fao_Latn fij_Latn fin_Latn fon_Latn fra_Latn fur_Latn fuv_Latn gla_Latn
gle_Latn glg_Latn grn_Latn guj_Gujr hat_Latn hau_Latn heb_Hebr hin_Deva hne_Deva hrv_Latn
hun_Latn hye_Armn ibo_Latn ilo_Latn ind_Latn isl_Latn ita_Latn jav_Latn jpn_Jpan kab_Latn
kac_Latn kam_Latn kan_Knda kas_Arab kas_Deva kat_Geor knc_Arab knc_Latn kaz_Cyrl kbp_Latn
kea_Latn khm_Khmr kik_Latn kin_Latn kir_Cyrl kmb_Latn kmr_Latn kon_Latn kor_Hang lao_Laoo
lij_Latn lim_Latn lin_Latn lit_Latn lmo_Latn ltg_Latn ltz_Latn lua_Latn lug_Latn luo_Latn
lus_Latn lvs_Latn mag_Deva mai_Deva mal_Mlym mar_Deva min_Arab min_Latn mkd_Cyrl plt_Latn
mlt_Latn mni_Beng khk_Cyrl mos_Latn mri_Latn mya_Mymr nld_Latn nno_Latn nob_Latn npi_Deva
nso_Latn nus_Latn nya_Latn oci_Latn gaz_Latn ory_Orya pag_Latn pan_Guru pap_Latn pes_Arab
pol_Latn por_Latn prs_Arab pbt_Arab quy_Latn ron_Latn run_Latn rus_Cyrl sag_Latn san_Deva
sat_Olck scn_Latn shn_Mymr sin_Sinh slk_Latn slv_Latn smo_Latn sna_Latn snd_Arab som_Latn
sot_Latn spa_Latn als_Latn srd_Latn srp_Cyrl ssw_Latn sun_Latn swe_Latn swh_Latn szl_Latn
tam_Taml tat_Cyrl tel_Telu tgk_Cyrl tgl_Latn tha_Thai tir_Ethi taq_Latn taq_Tfng tpi_Latn
tsn_Latn tso_Latn tuk_Latn tum_Latn tur_Latn twi_Latn tzm_Tfng uig_Arab ukr_Cyrl umb_Latn
urd_Arab uzn_Latn vec_Latn vie_Latn war_Latn wol_Latn xho_Latn ydd_Hebr yor_Latn yue_Hant
zho_Hans zho_Hant zsm_Latn zul_Latn
""",
)


def test_all_codes_of_flores_are_languages_in_any_case() -> None:
    assert len(FLORES) == len(set(FLORES)) == 204
    for code in FLORES:
        for form in (code, code.lower(), code.replace("_", "-")):
            assert is_language(form), form
            assert read_task(f"quiz_{form}").language == form
            assert read_task(f"quiz_{form}").benchmark == "quiz"
        assert read_task(f"belebele_{code}").language == code
    # No two of them are taken for one language.
    assert one_language((code, 1) for code in FLORES) == {}


@pytest.mark.parametrize(
    "same",
    [("de", "deu", "deu_Latn", "German", "de-DE", "DE"), ("en", "en-US", "eng_latn", "English"),
     ("zh", "zho_Hans", "zh-CN", "Chinese"), ("sw", "swh_Latn", "Swahili"), ("ar", "arb_Arab"),
     ("ne", "npi_Deva"), ("el", "ell_grek"), ("pt", "pt-br"), ("fa", "pes_Arab", "Persian"),
     ("sq", "als_Latn"), ("et", "est_Latn"), ("lv", "lvs_Latn"), ("ms", "zsm_Latn")],
)  # fmt: skip
def test_spellings_of_one_language(same: tuple[str, ...]) -> None:
    assert len({standard_tag(name) for name in same}) == 1
    assert standard_tag(same[0])
    named = one_language([(name, 10 - i) for i, name in enumerate(same)])
    assert named == dict.fromkeys(same[1:], same[0])


def test_languages_that_differ_stay_apart() -> None:
    for one, other in (("pt-PT", "pt-BR"), ("zh-Hant", "zh"), ("nn", "nb"), ("twi", "aka_Latn"),
                       ("arz_Arab", "arb_Arab"), ("en-GB", "en-US"), ("id", "ms")):  # fmt: skip
        assert standard_tag(one) != standard_tag(other)
    assert one_language([("quiz", 3), ("all", 2), ("xx", 1)]) == {}


@pytest.mark.parametrize(
    ("name", "benchmark", "language"),
    [
        ("same_or_different", "same_or_different", ""),
        ("arabic_mt_copa", "mt_copa", "arabic"),
        ("what_is_it_mc1", "what_is_it_mc1", ""),
        ("quiz_or", "quiz", "or"),
        ("2026-01-02_quiz_de", "quiz", "de"),
        ("2026-01-02T10-00-00_quiz_sw", "quiz", "sw"),
        ("global_piqa_completions_eng_latn", "global_piqa_completions", "eng_latn"),
        ("belebele_ell_grek", "belebele", "ell_grek"),
    ],
)
def test_names_of_tasks(name: str, benchmark: str, language: str) -> None:
    task = read_task(name)
    assert (task.benchmark, task.language) == (benchmark, language)


def test_one_language_under_several_names_is_one(tmp_path: Path) -> None:
    frame = quiz()
    other = frame["model"] == "B"
    spelt = frame["language"].map({"en": "English", "de": "deu_Latn", "yo": "yor_Latn"})
    frame.assign(language=frame["language"].mask(other, spelt)).to_csv(
        tmp_path / "quiz.csv", index=False
    )
    done = hatstats.convert_logs(tmp_path, strict=True)
    assert cells(done.study) == truth(frame)
    assert any("'deu_Latn' is 'de'" in note for note in done.notes)
    apart = hatstats.convert_logs(
        tmp_path, settings={"languages": "apart", "source_language": "en"}
    )
    assert len(apart.study.languages) == 6


def test_files_named_by_their_date_are_one_benchmark(tmp_path: Path) -> None:
    for day, language in enumerate(("en", "de", "sw")):
        path = tmp_path / "org__a" / f"2026-03-0{day + 1}T10-00-00_samples_xnli_{language}.jsonl"
        samples(path, answers(30))
    assert hatstats.convert_logs(tmp_path).study.benchmark_names == ["xnli"]


def test_benchmarks_that_differ_in_one_word_are_asked_about(tmp_path: Path) -> None:
    for tongue in ("kriol", "yoda", "elvish"):
        samples(
            tmp_path / "org__a" / f"samples_quiz_{tongue}_2026-01-01T00-00-00.jsonl", answers(9)
        )
    with pytest.raises(hatstats.DataError, match=r"settings=\{'task': 'quiz_\{language\}'\}"):
        hatstats.convert_logs(tmp_path)
    done = hatstats.convert_logs(
        tmp_path, settings={"task": "quiz_{language}", "source_language": "kriol"}
    )
    assert done.study.languages == ["elvish", "kriol", "yoda"]
    assert alike_names({"arc_easy": ["en", "de"], "arc_hard": ["en"], "arc_all": ["en"]}) == []

/* CMMLU: dev/SUBJECT.csv and test/SUBJECT.csv.  The files do not say what the
 * subjects are called in Chinese, so the names stand here. */
#include "suites/csv_exam.h"

static const char *authors[] = { "CMMLU authors" };

static const struct suite head = {
    .id = "cmmlu",
    .version = "test",
    .title_zh = "CMMLU 中文多任务语言理解",
    .title_en = "CMMLU",
    .ability = "基础能力/知识",
    .language = "zh",
    .licence = "CC-BY-NC-SA-4.0",
    .template = "lm-choice-zh",
    .matcher = "{\"name\":\"choice\"}",
    .metric = "accuracy",
    .authors = authors,
    .n_authors = 1,
};

/* Sorted by name. */
static const struct csv_subject subjects[] = {
    { .name = "agronomy", .zh = "农学" },
    { .name = "anatomy", .zh = "解剖学" },
    { .name = "ancient_chinese", .zh = "古汉语" },
    { .name = "arts", .zh = "艺术学" },
    { .name = "astronomy", .zh = "天文学" },
    { .name = "business_ethics", .zh = "商业伦理" },
    { .name = "chinese_civil_service_exam", .zh = "中国公务员考试" },
    { .name = "chinese_driving_rule", .zh = "中国驾驶规则" },
    { .name = "chinese_food_culture", .zh = "中国饮食文化" },
    { .name = "chinese_foreign_policy", .zh = "中国外交政策" },
    { .name = "chinese_history", .zh = "中国历史" },
    { .name = "chinese_literature", .zh = "中国文学" },
    { .name = "chinese_teacher_qualification", .zh = "中国教师资格" },
    { .name = "clinical_knowledge", .zh = "临床知识" },
    { .name = "college_actuarial_science", .zh = "大学精算学" },
    { .name = "college_education", .zh = "大学教育学" },
    { .name = "college_engineering_hydrology", .zh = "大学工程水文学" },
    { .name = "college_law", .zh = "大学法律" },
    { .name = "college_mathematics", .zh = "大学数学" },
    { .name = "college_medical_statistics", .zh = "大学医学统计" },
    { .name = "college_medicine", .zh = "大学医学" },
    { .name = "computer_science", .zh = "计算机科学" },
    { .name = "computer_security", .zh = "计算机安全" },
    { .name = "conceptual_physics", .zh = "概念物理学" },
    { .name = "construction_project_management", .zh = "建设工程管理" },
    { .name = "economics", .zh = "经济学" },
    { .name = "education", .zh = "教育学" },
    { .name = "electrical_engineering", .zh = "电气工程" },
    { .name = "elementary_chinese", .zh = "小学语文" },
    { .name = "elementary_commonsense", .zh = "小学常识" },
    { .name = "elementary_information_and_technology", .zh = "小学信息技术" },
    { .name = "elementary_mathematics", .zh = "初等数学" },
    { .name = "ethnology", .zh = "民族学" },
    { .name = "food_science", .zh = "食品科学" },
    { .name = "genetics", .zh = "遗传学" },
    { .name = "global_facts", .zh = "全球事实" },
    { .name = "high_school_biology", .zh = "高中生物" },
    { .name = "high_school_chemistry", .zh = "高中化学" },
    { .name = "high_school_geography", .zh = "高中地理" },
    { .name = "high_school_mathematics", .zh = "高中数学" },
    { .name = "high_school_physics", .zh = "高中物理学" },
    { .name = "high_school_politics", .zh = "高中政治" },
    { .name = "human_sexuality", .zh = "人类性行为" },
    { .name = "international_law", .zh = "国际法学" },
    { .name = "journalism", .zh = "新闻学" },
    { .name = "jurisprudence", .zh = "法理学" },
    { .name = "legal_and_moral_basis", .zh = "法律与道德基础" },
    { .name = "logical", .zh = "逻辑学" },
    { .name = "machine_learning", .zh = "机器学习" },
    { .name = "management", .zh = "管理学" },
    { .name = "marketing", .zh = "市场营销" },
    { .name = "marxist_theory", .zh = "马克思主义理论" },
    { .name = "modern_chinese", .zh = "现代汉语" },
    { .name = "nutrition", .zh = "营养学" },
    { .name = "philosophy", .zh = "哲学" },
    { .name = "professional_accounting", .zh = "专业会计" },
    { .name = "professional_law", .zh = "专业法学" },
    { .name = "professional_medicine", .zh = "专业医学" },
    { .name = "professional_psychology", .zh = "专业心理学" },
    { .name = "public_relations", .zh = "公共关系" },
    { .name = "security_study", .zh = "安全研究" },
    { .name = "sociology", .zh = "社会学" },
    { .name = "sports_science", .zh = "体育学" },
    { .name = "traditional_chinese_medicine", .zh = "中医中药" },
    { .name = "virology", .zh = "病毒学" },
    { .name = "world_history", .zh = "世界历史" },
    { .name = "world_religions", .zh = "世界宗教" },
};

static enum err_code import(const char *path, const char *dest, size_t *n_items,
                            struct err *e)
{
    static const struct csv_exam x = {
        .head = &head,
        .dev_dir = "dev",
        .dev_end = ".csv",
        .items_dir = "test",
        .items_end = ".csv",
        .question = "Question",
        .answer = "Answer",
        .subjects = subjects,
        .n_subjects = sizeof subjects / sizeof *subjects,
    };

    return csv_exam_import(&x, path, dest, n_items, e);
}

const struct suite_format suite_format_cmmlu = {
    .name = "cmmlu",
    .doc = "CMMLU: dev/SUBJECT.csv and test/SUBJECT.csv",
    .import = import,
};
